import { dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { EVENT_NAMES, type EventName } from '../events/catalogue.ts';
import type { EventBus } from '../events/event-bus.ts';
import { type FoundModule, findModule } from '../platform/module-path.ts';
import { ChildInstance } from './child-instance.ts';
import { PluginHost, type PluginObserver, type PluginStatus } from './host.ts';
import { LocalInstance } from './local-instance.ts';
import type { InstanceEvents, InstanceSettings, LoadOutcome, PluginInstance } from './plugin-instance.ts';
import { SinkQueue } from './sink-queue.ts';

/** A plugin as the configuration has it. */
export interface PluginEntry {
  readonly id: string;
  /** A path, or the name of a package. */
  readonly module: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isolation: 'process' | 'none';
  /** Bytes. */
  readonly memoryLimit: number;
  readonly timeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly fail: 'open' | 'closed';
  /** Names of environment variables that the plugin gets. */
  readonly env: readonly string[];
}

/** A fault of the configuration. */
export interface PluginProblem {
  /** Index in the list of entries. */
  readonly index: number;
  /** Below the entry. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface PluginManagerOptions {
  readonly clock: Clock;
  readonly events: Pick<EventBus, 'subscribe'>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative modules begin at. */
  readonly folder: string;
  readonly observer: PluginObserver;
  readonly onEventsDropped: (plugin: string, count: number) => void;
}

/** The plugins of a configuration that is not active yet. */
export interface PreparedPlugins {
  readonly hosts: readonly PluginHost[];
  readonly problems: readonly PluginProblem[];
  /** Makes them the active ones, and ends those that are no longer configured. */
  commit(): void;
  /** Ends those that were started for it. */
  discard(): Promise<void>;
}

interface Running {
  readonly entry: PluginEntry;
  /** Of the entry and its module: another one needs another process. */
  readonly key: string;
  readonly host: PluginHost;
  unsubscribe: () => void;
}

/** What every program needs to find others and its own files; nothing of the gateway's own settings. */
const COMMON_VARIABLES = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL'];

/** Starts the plugins of configurations, and keeps those that a new configuration has unchanged. */
export class PluginManager {
  #active: readonly Running[] = [];

  constructor(private readonly options: PluginManagerOptions) {}

  /** The state of each configured plugin. */
  status(): readonly PluginStatus[] {
    return this.#active.map(({ host }) => host.status);
  }

  /** Whether the module of an active plugin has changed since it was loaded, or a disabled plugin may be tried again. */
  hasChanges(): boolean {
    return this.#active.some(({ entry, key, host }) => {
      if (host.state === 'disabled') return true;
      const found = findModule(entry.module, this.options.folder);
      return !found || keyOf(entry, found) !== key;
    });
  }

  /** Starts plugins, and waits until each is loaded or has failed. */
  async prepare(entries: readonly PluginEntry[]): Promise<PreparedPlugins> {
    const problems: PluginProblem[] = [];
    const kept: Running[] = [];
    const started: Running[] = [];
    const loads: Promise<void>[] = [];
    const all: Running[] = [];
    for (const [index, entry] of entries.entries()) {
      const found = findModule(entry.module, this.options.folder);
      if (!found) {
        const message = `there is no module ${JSON.stringify(entry.module)} in ${this.options.folder}`;
        problems.push({ index, path: ['module'], message });
        continue;
      }
      const key = keyOf(entry, found);
      const before = this.#active.find(
        (running) => running.key === key && !kept.includes(running) && running.host.state !== 'disabled',
      );
      if (before) {
        kept.push(before);
        all.push(before);
        continue;
      }
      const running = { entry, key, host: this.#start(entry, found), unsubscribe: () => undefined };
      started.push(running);
      all.push(running);
      loads.push(running.host.load().then((outcome) => void problems.push(...problemsOf(index, outcome))));
    }
    await Promise.all(loads);
    return {
      hosts: all.map(({ host }) => host),
      problems: problems.toSorted((a, b) => a.index - b.index),
      commit: () => {
        for (const running of this.#active) {
          if (kept.includes(running)) continue;
          running.unsubscribe();
          running.host.retire();
        }
        for (const running of started) running.unsubscribe = this.#subscribe(running.host);
        this.#active = all;
      },
      discard: async () => {
        await Promise.all(started.map(({ host }) => host.close()));
      },
    };
  }

  async close(): Promise<void> {
    const active = this.#active;
    this.#active = [];
    for (const { unsubscribe } of active) unsubscribe();
    await Promise.all(active.map(({ host }) => host.close()));
  }

  #start(entry: PluginEntry, found: FoundModule): PluginHost {
    const { env, observer, clock } = this.options;
    const variables = [...COMMON_VARIABLES, ...entry.env].flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    // A changed file is loaded again, also into this process.
    const module = entry.isolation === 'none' ? `${found.path}?${found.version}` : found.url;
    return new PluginHost(
      {
        ...{ id: entry.id, module, folder: dirname(found.path), config: entry.config },
        env: Object.fromEntries(variables),
        memoryLimit: entry.memoryLimit,
        loadTimeoutMs: entry.loadTimeoutMs,
        timeoutMs: entry.timeoutMs,
        fail: entry.fail,
      },
      entry.isolation === 'none' ? startLocal : startChild,
      observer,
      clock,
    );
  }

  /** Subscribes to all events: which of them the plugin gets is known when it is loaded, and may change with a restart. */
  #subscribe(host: PluginHost): () => void {
    const { clock, events, onEventsDropped } = this.options;
    const manifest = host.manifest;
    if (manifest && !manifest.events) return () => undefined;
    const queue = new SinkQueue(host, clock, (count) => onEventsDropped(host.id, count));
    const receive = (name: EventName, payload: unknown) => {
      if (!host.manifest?.events?.includes(name) || isOwnEvent(host.id, name, payload)) return;
      queue.push(name, payload);
    };
    const names = manifest?.events ?? EVENT_NAMES;
    const handlers = Object.fromEntries(
      names.map((name) => [name, (payload: unknown) => receive(name, payload)] as const),
    );
    return events.subscribe(`plugin ${host.id}`, handlers);
  }
}

function keyOf(entry: PluginEntry, { url, version }: FoundModule): string {
  return JSON.stringify([entry, url, version]);
}

/** A plugin that gets the events of its own failures would cause more of them. */
function isOwnEvent(id: string, name: EventName, payload: unknown): boolean {
  return name.startsWith('plugin.') && Object(payload).plugin === id;
}

function problemsOf(index: number, outcome: LoadOutcome): PluginProblem[] {
  if (outcome.kind === 'unusable') return [{ index, path: ['module'], message: outcome.message }];
  if (outcome.kind !== 'rejected') return [];
  return outcome.issues.map(({ path, message }) => ({ index, path: ['config', ...path], message }));
}

function startChild(settings: InstanceSettings, events: InstanceEvents): PluginInstance {
  return new ChildInstance(settings, events);
}

function startLocal(settings: InstanceSettings, events: InstanceEvents): PluginInstance {
  return new LocalInstance(settings, events);
}
