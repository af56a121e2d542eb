import { type Hook, LoadedPlugin, PluginConfigError } from './loaded-plugin.ts';
import { ContractError, readManifest } from './manifest.ts';
import { PluginFailure, thrownText } from './plugin-failure.ts';
import type { InstanceEvents, InstanceSettings, LoadOutcome, PluginInstance } from './plugin-instance.ts';

/**
 * A plugin in the process of the gateway, for trusted code (`isolation: none`). Deadlines end the wait for it, not the plugin:
 * one that loops stops the gateway, and its memory is the gateway's.
 */
export class LocalInstance implements PluginInstance {
  readonly loaded: Promise<LoadOutcome>;
  readonly memory = undefined;
  #plugin: LoadedPlugin | undefined;

  constructor(settings: InstanceSettings, events: InstanceEvents) {
    const { loadTimeoutMs } = settings;
    const message = `it did not load within ${loadTimeoutMs} ms`;
    this.loaded = within(this.#load(settings, events), loadTimeoutMs, message).catch(
      (error: unknown): LoadOutcome => ({ kind: 'failed', message: thrownText(error) }),
    );
  }

  async call(hook: Hook, data: unknown, timeoutMs: number): Promise<unknown> {
    const plugin = this.#plugin;
    if (!plugin) throw new PluginFailure('unavailable', 'it is not loaded');
    const running = plugin.call(hook, data).then(
      // The contract is plain data, with or without a process.
      (result) => (result === undefined ? undefined : plainData(result)),
      (thrown: unknown) => {
        throw new PluginFailure('error', thrownText(thrown), { cause: thrown });
      },
    );
    return within(running, timeoutMs, `no result within ${timeoutMs} ms`);
  }

  async close(): Promise<void> {
    try {
      await within(this.#plugin?.close() ?? Promise.resolve(), 1_000, 'it did not close');
    } catch {
      // It is not called again, whatever it does.
    }
  }

  async #load(settings: InstanceSettings, { onLog, onCount }: InstanceEvents): Promise<LoadOutcome> {
    try {
      const exported: unknown = await import(settings.module);
      this.#plugin = await LoadedPlugin.create(exported, settings.config, {
        id: settings.id,
        log: (level, message) => onLog(level, String(message).slice(0, 2_000)),
        count: (name, amount = 1) => onCount(String(name), Number(amount)),
      });
      return { kind: 'ready', manifest: readManifest(plainData(this.#plugin.description)) };
    } catch (thrown) {
      if (thrown instanceof PluginConfigError) return { kind: 'rejected', issues: thrown.issues };
      if (thrown instanceof ContractError) return { kind: 'unusable', message: thrown.message };
      return { kind: 'failed', message: thrownText(thrown) };
    }
  }
}

function plainData(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null');
  } catch (thrown) {
    throw new PluginFailure('invalid', `the result is not plain data: ${thrownText(thrown)}`);
  }
}

function within<T>(running: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new PluginFailure('timeout', message)), timeoutMs);
  running.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}
