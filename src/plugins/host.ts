import { CallBreaker } from '../core/call-breaker.ts';
import type { Clock } from '../core/clock.ts';
import type { Hook } from './loaded-plugin.ts';
import { kindsOf, type PartKind, type PluginManifest } from './manifest.ts';
import { type PluginExitReason, PluginFailure } from './plugin-failure.ts';
import type {
  InstanceEvents,
  InstanceSettings,
  LoadOutcome,
  PluginInstance,
  StartInstance,
} from './plugin-instance.ts';

/** How a configured plugin is run. */
export interface PluginSettings extends InstanceSettings {
  /** Milliseconds of one call. */
  readonly timeoutMs: number;
  /** The effect of a call that fails on its request: `closed` ends it with an error. */
  readonly fail: 'open' | 'closed';
}

export type PluginState =
  /** Calls are made. */
  | 'ok'
  /** It failed to start, or ended, and is started again after a pause. */
  | 'restarting'
  /** It ended too often, and is not started again. */
  | 'disabled'
  | 'closed';

/** The state of a plugin, for operators. */
export interface PluginStatus {
  readonly id: string;
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly kinds: readonly PartKind[];
  /** `failing`: it runs, and calls fail one after the other. */
  readonly status: 'ok' | 'failing' | 'restarting' | 'disabled';
  /** Its last fault; undefined where there was none. */
  readonly reason: string | undefined;
  readonly restarts: number;
  /** Bytes; undefined without a process. */
  readonly memory: number | undefined;
}

/** Receives what happens to plugins. Must not throw. */
export interface PluginObserver {
  called(plugin: string, hook: Hook, outcome: string, durationMs: number): void;
  /** @param restartMs until it is started again; undefined where it is disabled */
  ended(
    plugin: string,
    reason: PluginExitReason | 'load',
    detail: string,
    restartMs: number | undefined,
  ): void;
  started(plugin: string, manifest: PluginManifest): void;
  /** Its calls fail one after the other, and are skipped for a while. */
  skipped(plugin: string, detail: string): void;
  logged(plugin: string, level: string, message: string): void;
  counted(plugin: string, name: string, amount: number): void;
}

/** Ends within this time that disable a plugin, and how many. Milliseconds. */
const ENDS_WINDOW_MS = 300_000;
const MAX_ENDS = 8;
const FIRST_RESTART_MS = 250;
const LONGEST_RESTART_MS = 30_000;
/** Names that a plugin may count under. */
const MAX_COUNT_NAMES = 20;
const COUNT_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** One configured plugin: its instance, its breaker, and its restarts. */
export class PluginHost {
  readonly #breaker: CallBreaker;
  readonly #countNames = new Set<string>();
  readonly #closing = new AbortController();
  /** Requests that may still call it. */
  #users = 0;
  #isRetired = false;
  #instance: PluginInstance;
  #manifest: PluginManifest | undefined;
  #state: PluginState = 'restarting';
  #lastFault: string | undefined;
  #restarts = 0;
  /** Monotonic milliseconds of its last ends. */
  #ends: number[] = [];

  constructor(
    readonly settings: PluginSettings,
    private readonly start: StartInstance,
    private readonly observer: PluginObserver,
    private readonly clock: Clock,
  ) {
    this.#breaker = new CallBreaker(() => clock.now());
    this.#instance = this.#startInstance();
  }

  get id(): string {
    return this.settings.id;
  }

  /** What the plugin said of itself when it was loaded last; undefined before. */
  get manifest(): PluginManifest | undefined {
    return this.#manifest;
  }

  get state(): PluginState {
    return this.#state;
  }

  get status(): PluginStatus {
    const manifest = this.#manifest;
    const failing = this.#state === 'ok' && this.#breaker.isOpen;
    return {
      id: this.id,
      name: manifest?.name,
      version: manifest?.version,
      kinds: manifest ? kindsOf(manifest) : [],
      status: failing ? 'failing' : this.#state === 'closed' ? 'disabled' : this.#state,
      reason: this.#lastFault,
      restarts: this.#restarts,
      memory: this.#instance.memory,
    };
  }

  /** Waits for the first load. A plugin that failed for other reasons than its configuration is started again. */
  async load(): Promise<LoadOutcome> {
    const outcome = await this.#instance.loaded;
    if (outcome.kind === 'failed') this.#ended('load', outcome.message);
    else if (outcome.kind === 'ready') this.#ready(outcome.manifest);
    return outcome;
  }

  /**
   * Calls a function of the plugin, and checks its result.
   * @param read makes the result of what the plugin returned; throws `PluginFailure` for what does not conform to the contract
   * @throws PluginFailure
   */
  async call<T>(hook: Hook, data: unknown, read: (result: unknown) => T): Promise<T> {
    if (this.#state !== 'ok') throw new PluginFailure('unavailable', this.#lastFault ?? 'it is not running');
    if (!this.#breaker.admit()) {
      throw new PluginFailure('unavailable', `its last calls failed: ${this.#lastFault ?? ''}`);
    }
    const startedAt = this.clock.now();
    try {
      const result = read(await this.#instance.call(hook, data, this.settings.timeoutMs));
      this.#breaker.succeeded();
      this.observer.called(this.id, hook, 'ok', this.clock.now() - startedAt);
      return result;
    } catch (thrown) {
      const failure =
        thrown instanceof PluginFailure ? thrown : new PluginFailure('invalid', 'its result is not readable');
      this.#lastFault = failure.message;
      const hasOpened = this.#breaker.failed();
      this.observer.called(this.id, hook, failure.reason, this.clock.now() - startedAt);
      if (hasOpened && this.#state === 'ok') this.observer.skipped(this.id, failure.message);
      throw failure;
    }
  }

  /** Keeps the plugin running for a request. @returns the release; to be called once */
  retain(): () => void {
    this.#users += 1;
    return () => {
      this.#users -= 1;
      if (this.#isRetired && this.#users === 0) void this.close();
    };
  }

  /** Ends the plugin when the requests that use it have ended. */
  retire(): void {
    this.#isRetired = true;
    if (this.#users === 0) void this.close();
  }

  /** Ends the plugin for good. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#closing.abort(new Error('the plugin is closed'));
    await this.#instance.close();
  }

  #startInstance(): PluginInstance {
    const events: InstanceEvents = {
      onLog: (level, message) => this.observer.logged(this.id, level, message),
      onCount: (name, amount) => this.#count(name, amount),
      onExit: (reason, detail) => this.#ended(reason, detail),
    };
    return this.start(this.settings, events);
  }

  #ready(manifest: PluginManifest): void {
    if (this.#state === 'closed') return;
    this.#state = 'ok';
    this.#manifest = manifest;
    this.observer.started(this.id, manifest);
  }

  #ended(reason: PluginExitReason | 'load', detail: string): void {
    if (this.#state === 'closed') return;
    const now = this.clock.now();
    this.#lastFault = detail;
    this.#ends = [...this.#ends.filter((at) => now - at < ENDS_WINDOW_MS), now];
    if (this.#ends.length >= MAX_ENDS) {
      this.#state = 'disabled';
      this.observer.ended(this.id, reason, detail, undefined);
      return;
    }
    this.#state = 'restarting';
    const pause = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** (this.#ends.length - 1));
    this.observer.ended(this.id, reason, detail, pause);
    this.clock.sleep(pause, this.#closing.signal).then(
      () => this.#restart(),
      // It was closed in the meantime.
      () => undefined,
    );
  }

  async #restart(): Promise<void> {
    this.#restarts += 1;
    this.#instance = this.#startInstance();
    const outcome = await this.#instance.loaded;
    if (outcome.kind === 'ready') {
      this.#breaker.succeeded();
      this.#ready(outcome.manifest);
      return;
    }
    this.#ended('load', outcome.kind === 'rejected' ? 'its configuration is not valid' : outcome.message);
  }

  #count(name: string, amount: number): void {
    if (!COUNT_NAME.test(name) || !(amount > 0) || !Number.isFinite(amount)) return;
    if (!this.#countNames.has(name) && this.#countNames.size >= MAX_COUNT_NAMES) return;
    this.#countNames.add(name);
    this.observer.counted(this.id, name, amount);
  }
}
