import type { LoadedConfig } from '../config/assemble.ts';
import { restartNeeded } from '../config/restart.ts';
import { type ConfigWatch, watchConfig } from '../config/watch.ts';
import type { Gateway } from './gateway.ts';

/** An editor writes a file in several steps; milliseconds without another step. */
const RELOAD_DEBOUNCE_MS = 150;

/**
 * Reloads the configuration when its file changes.
 * @param current what the gateway was created with
 * @param load reads the configuration again. @throws ConfigError when it is not valid
 */
export function reloadOnChange(
  gateway: Gateway,
  file: string,
  current: LoadedConfig,
  load: (current: LoadedConfig) => LoadedConfig,
): ConfigWatch {
  const { events, changes } = gateway;
  let active = current;
  const watch = watchConfig({
    file,
    current,
    load,
    debounceMs: RELOAD_DEBOUNCE_MS,
    hasOtherChanges: () => gateway.hasPluginChanges(),
    onChange: async (next, trigger) => {
      const keys = restartNeeded(active.config, next.config);
      await gateway.apply(next, () => {
        // Gateways that share the file, such as a mounted volume, see no event of a write by another machine.
        if (trigger !== 'notice') changes?.publish('config');
      });
      active = next;
      events.emit('config.reloaded', { file, restart_keys: keys, warnings: [...next.warnings] });
    },
    onRejected: (error) => events.emit('config.rejected', { error }),
  });
  changes?.onChange('config', () => watch.check());
  return watch;
}
