import { openStores, type Stores } from '../app/stores.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import type { Output } from './output.ts';

/** Works with the databases that a configuration names, and closes them. */
export async function withStores<T>(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  work: (stores: Stores) => Promise<T>,
): Promise<T> {
  const stores = await openStores({
    config: () => config,
    env,
    clock: systemClock,
    onWarning: (message, error) =>
      output.err(`${message}: ${error instanceof Error ? error.message : String(error)}`),
  });
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}
