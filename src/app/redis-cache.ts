import type { CachedResponse, CachedVector } from '../cache/cache-entry.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import { EntryCodec } from '../cache/entry-codec.ts';
import { RedisCacheStats } from '../cache/redis-cache-stats.ts';
import { RedisCacheStore } from '../cache/redis-cache-store.ts';
import { RedisLookups } from '../cache/redis-lookups.ts';
import { RedisStreamRelay } from '../cache/redis-stream-relay.ts';
import type { StreamRelay } from '../cache/stream-relay.ts';
import type { Config } from '../config/schema.ts';
import { randomIds } from '../platform/random-ids.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { CacheOptions, CacheStores } from './cache-options.ts';
import { redisTls } from './database-servers.ts';

/** The time limit of commands that no request waits for. Milliseconds. */
const COMMAND_TIMEOUT_MS = 1_000;
/** How long a request waits, where no configuration says it. Milliseconds. */
const LOOKUP_TIMEOUT_MS = 5;

export interface RedisCacheParts extends CacheOptions {
  readonly config: Config;
  /** The active configuration of the cache. */
  readonly cache: () => Config['cache'];
}

/** The stores in Redis, on a connection of their own: limits do not wait behind large entries. */
export interface RedisCache {
  readonly stores: CacheStores;
  /** Responses to questions that others may ask in other words. */
  readonly semantic: CacheStore<CachedResponse>;
  readonly relay: StreamRelay;
  /** The counts of all gateways. */
  readonly stats: RedisCacheStats;
  close(): Promise<void>;
}

/** Does not wait for the connection. */
export async function createRedisCache(parts: RedisCacheParts): Promise<RedisCache | undefined> {
  const { config, clock, box, metrics, events, cache } = parts;
  const { redis_url: url, redis_replica_url: replicaUrl, redis_prefix: prefix } = config.storage;
  if (url === null) return undefined;
  const connect = (to: string, isReplica: boolean) =>
    connectRedis({
      ...{ url: to, isReplica, timeoutMs: COMMAND_TIMEOUT_MS },
      ...redisTls(config.storage),
      onError: (error) => events.emit('cache.connection_failed', { error }),
    });
  const client = await connect(url, false);
  const replica = replicaUrl === null ? undefined : await connect(replicaUrl, true);
  const lookups = new RedisLookups({
    // While the primary is lost, entries are read from a replica.
    isConnected: () => client.ready || replica?.ready === true,
    clock,
    timeoutMs: () => cache()?.redis_timeout ?? LOOKUP_TIMEOUT_MS,
    onSkip: (reason) => metrics.cache.errors.labels(reason).inc(),
    onLost: (error) => events.emit('cache.store_lost', { error }),
    onRecovered: () => events.emit('cache.store_restored', {}),
  });
  const store = <Value>(kind: string, maxEntries: () => number | undefined): CacheStore<Value> =>
    new RedisCacheStore<Value>({
      ...{ client, replica, clock, prefix, kind, codec: new EntryCodec<Value>(box), lookups },
      maxEntries: () => maxEntries() ?? 1,
    });
  const stats = new RedisCacheStats({
    ...{ client, clock, prefix },
    onError: (error) => events.emit('cache.stats_failed', { error }),
  });
  return {
    semantic: store<CachedResponse>('semantic', () => cache()?.semantic?.max_entries),
    stores: {
      responses: store<CachedResponse>('exact', () => cache()?.exact?.max_entries),
      vectors: store<CachedVector>('embedding', () => cache()?.embeddings?.max_entries),
    },
    relay: new RedisStreamRelay({ client, lookups, prefix, box, newId: randomIds('') }),
    stats,
    close: async () => {
      await stats.close();
      client.disconnect();
      replica?.disconnect();
    },
  };
}
