import type { RedisClient, RedisSettings } from '../../platform/redis-client.ts';
import { SingleRedis } from '../../platform/single-redis.ts';

/** A single server by the runtime's own client, which costs half; Sentinel and clusters by one that supports them. */
export async function connectRedis(settings: RedisSettings): Promise<RedisClient> {
  if (!/^rediss?\+/i.test(settings.url)) return new SingleRedis(settings);
  const { connectIoredis } = await import('./ioredis-client.ts');
  return connectIoredis(settings);
}
