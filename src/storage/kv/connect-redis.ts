import type {
  RedisClient,
  RedisSettings,
  RedisSubscription,
  SubscriptionSettings,
} from '../../platform/redis-client.ts';
import { SingleRedis } from '../../platform/single-redis.ts';
import { SingleRedisSubscription } from '../../platform/single-redis-subscription.ts';

/**
 * Connects to Redis or Valkey: to a single server, at a port or a Unix socket (`redis+unix:`), with the runtime's own client,
 * which takes half the CPU, and to
 * Sentinel (`redis+sentinel:`) and clusters (`redis+cluster:`) with ioredis.
 *
 * @returns a client that may not be connected yet; `connected()` waits for that
 */
export async function connectRedis(settings: RedisSettings): Promise<RedisClient> {
  if (!/^rediss?\+(?!unix:)/i.test(settings.url)) return new SingleRedis(settings);
  const { connectIoredis } = await import('./ioredis-client.ts');
  return connectIoredis(settings);
}

/**
 * Subscribes to a channel of Redis or Valkey. In a cluster, a message reaches the subscribers of every node: one node is
 * enough, and the next one of the URL follows when it is lost.
 */
export async function subscribeRedis(settings: SubscriptionSettings): Promise<RedisSubscription> {
  const { url } = settings;
  const sentinel = /^rediss?\+sentinel:/i.test(url);
  if (!sentinel) return new SingleRedisSubscription(settings, nodesOf(url));
  const { subscribeIoredis } = await import('./ioredis-client.ts');
  return subscribeIoredis(settings);
}

/** @returns the URL of each node of a cluster; the URL itself for a single server */
function nodesOf(url: string): readonly [string, ...string[]] {
  const match = /^(rediss?)\+cluster:\/\/(?:([^@/]*)@)?([^/?]+)/i.exec(url);
  if (!match) return [url];
  const [, scheme, credentials, hosts = ''] = match;
  const login = credentials === undefined ? '' : `${credentials}@`;
  const [first = '', ...others] = hosts.split(',').map((host) => `${scheme}://${login}${host}`);
  return [first, ...others];
}
