import type { RedisClient, RedisSettings } from '../../platform/redis-client.ts';
import { SingleRedis } from '../../platform/single-redis.ts';
import { connectIoredis } from './ioredis-client.ts';

/** A single server by the runtime's own client, which costs half; Sentinel and clusters by one that knows them. */
export function connectRedis(settings: RedisSettings): RedisClient {
  return /^rediss?\+/i.test(settings.url) ? connectIoredis(settings) : new SingleRedis(settings);
}
