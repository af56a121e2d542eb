import type { Config } from '../config/schema.ts';
import type { EventBus } from '../events/event-bus.ts';
import { randomIds } from '../platform/random-ids.ts';
import type { ChangeChannel } from './change-channel.ts';

/** Loads its module only with Redis. */
export async function openChangeChannel(
  config: Config,
  events: EventBus,
): Promise<ChangeChannel | undefined> {
  if (config.storage.redis_url === null) return undefined;
  const { createChangeChannel } = await import('./change-channel.ts');
  return createChangeChannel(config, randomIds('gw_')(), events);
}
