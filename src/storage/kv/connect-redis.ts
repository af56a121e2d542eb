import type { RedisClient, RedisSettings } from '../../platform/redis-client.ts';
import { SingleRedis } from '../../platform/single-redis.ts';

/**
 * Connects to Redis or Valkey: to a single server with the runtime's own client, which takes half the CPU, and to
 * Sentinel (`redis+sentinel:`) and clusters (`redis+cluster:`) with ioredis.
 *
 * @returns a client that may not be connected yet; `connected()` waits for that
 */
export async function connectRedis(settings: RedisSettings): Promise<RedisClient> {
  if (!/^rediss?\+/i.test(settings.url)) return new SingleRedis(settings);
  const { connectIoredis } = await import('./ioredis-client.ts');
  return connectIoredis(settings);
}
