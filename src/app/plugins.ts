import { dirname, relative } from 'node:path';
import { ConfigError } from '../config/errors.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { PluginObserver, PluginStatus } from '../plugins/host.ts';
import type { PluginEntry, PluginManager, PluginProblem, PreparedPlugins } from '../plugins/manager.ts';
import { kindsOf } from '../plugins/manifest.ts';

export interface PluginPartsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly events: EventBus;
  readonly metrics: Metrics;
  /** The configuration file; null where there is none. */
  readonly file: string | null;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const NOTHING: PreparedPlugins = {
  hosts: [],
  problems: [],
  commit: () => undefined,
  discard: () => Promise.resolve(),
};

/** The plugins of the configuration. Their modules are loaded with the first plugin. */
export class PluginParts {
  #manager: PluginManager | undefined;

  constructor(private readonly options: PluginPartsOptions) {}

  status(): readonly PluginStatus[] {
    return this.#manager?.status() ?? [];
  }

  /** Whether a reload of the same configuration would start plugins. */
  hasChanges(): boolean {
    return this.#manager?.hasChanges() ?? false;
  }

  /**
   * Starts the plugins of a configuration.
   * @throws ConfigError where a module is missing or is no plugin, or the configuration of a plugin is not valid
   */
  async prepare(config: Config): Promise<PreparedPlugins> {
    const configured = config.plugins.filter(({ enabled }) => enabled);
    if (configured.length === 0 && !this.#manager) return NOTHING;
    this.#manager ??= await this.#createManager();
    const prepared = await this.#manager.prepare(configured.map(pluginEntry));
    if (prepared.problems.length === 0) return prepared;
    await prepared.discard();
    throw this.#configError(config, configured, prepared.problems);
  }

  /** Sets the gauges whose values are read at each scrape. */
  readGauges(): void {
    const { up, memory: resident } = this.options.metrics.plugins;
    up.reset();
    resident.reset();
    for (const { id, status, memory } of this.status()) {
      up.labels(id).set(status === 'ok' ? 1 : 0);
      if (memory !== undefined) resident.labels(id).set(memory);
    }
  }

  async close(): Promise<void> {
    await this.#manager?.close();
  }

  async #createManager(): Promise<PluginManager> {
    const { env, clock, events, metrics, file } = this.options;
    const { PluginManager: Manager } = await import('../plugins/manager.ts');
    return new Manager({
      ...{ env, clock, events },
      folder: file === null ? process.cwd() : dirname(file),
      observer: pluginObserver(events, metrics),
      onEventsDropped: (plugin, count) => metrics.plugins.eventsDropped.labels(plugin).inc(count),
    });
  }

  #configError(
    config: Config,
    configured: Config['plugins'],
    problems: readonly PluginProblem[],
  ): ConfigError {
    const { file } = this.options;
    return new ConfigError(
      problems.map(({ index, path, message }) => {
        const entry = configured[index];
        const at = entry === undefined ? index : config.plugins.indexOf(entry);
        const keys = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
        return {
          file: file === null ? null : relative(process.cwd(), file) || file,
          ...{ variable: null, line: null, column: null },
          ...{ path: `plugins[${at}]${keys}`, message },
        };
      }),
    );
  }
}

/** @returns a configured plugin in the form of the manager */
export function pluginEntry(plugin: Config['plugins'][number]): PluginEntry {
  const { id, module, config, isolation, timeout, load_timeout: loadTimeoutMs, fail, env } = plugin;
  return {
    ...{ id, module, config, isolation, fail, env, loadTimeoutMs },
    memoryLimit: plugin.memory_limit,
    timeoutMs: timeout,
  };
}

function pluginObserver(events: EventBus, metrics: Metrics): PluginObserver {
  return {
    called: (plugin, hook, outcome, durationMs) => {
      metrics.plugins.calls.labels(plugin, hook, outcome).inc();
      metrics.plugins.duration.labels(plugin, hook).observe(durationMs / 1000);
    },
    started: (plugin, manifest) => events.emit('plugin.started', { plugin, kinds: [...kindsOf(manifest)] }),
    ended: (plugin, reason, detail, restartMs) => {
      metrics.plugins.ends.labels(plugin, reason).inc();
      if (restartMs === undefined) events.emit('plugin.disabled', { plugin, reason, detail });
      else events.emit('plugin.ended', { plugin, reason, detail, restart_ms: restartMs });
    },
    skipped: (plugin, detail) => events.emit('plugin.skipped', { plugin, detail }),
    logged: (plugin, level, line) => {
      const known = LEVELS.find((one) => one === level) ?? 'info';
      events.emit('plugin.output', { plugin, level: known, line });
    },
    counted: (plugin, name, amount) => metrics.plugins.counts.labels(plugin, name).inc(amount),
  };
}
