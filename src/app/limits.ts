import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import { MemoryLimitStore } from '../limits/memory-limit-store.ts';
import { RedisLimitStore } from '../limits/redis-limit-store.ts';
import { SharedLimitStore } from '../limits/shared-limit-store.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { PeriodCounters } from '../storage/sql/period-counters.ts';
import type { PeriodCount } from '../storage/sql/store-period-counts.ts';
import { redisTls } from './database-servers.ts';

export interface LimitOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly counters: PeriodCounters;
  /** Names this process, and no other. */
  readonly boot: string;
  readonly newId: () => string;
}

/** The store of limits, and its periodic work. */
export interface LimitParts {
  readonly store: LimitStore;
  /** Renews the leases of this gateway's reservations; to be called every few seconds. */
  heartbeat(): Promise<void>;
  /** Saves quotas and budgets to the database. */
  save(): Promise<void>;
  /** Releases the concurrency slots of a gateway that was killed, before their leases expire. */
  releaseSlotsOf(boot: string): Promise<void>;
}

/** How long the start waits for Redis. After that, limits are counted locally until Redis is reachable. */
const FIRST_CONNECT_MS = 3_000;

/** Counts limits in memory, or in Redis when `storage.redis_url` is set. */
export async function createLimits(options: LimitOptions): Promise<LimitParts> {
  const { config, clock, counters } = options;
  const kept = await counters.load();
  const url = config.storage.redis_url;
  if (url === null) {
    const store = new MemoryLimitStore(clock, kept);
    return {
      store,
      heartbeat: async () => undefined,
      releaseSlotsOf: async () => undefined,
      save: () => store.saveChanged((counts) => counters.save(counts, true)),
    };
  }
  const store = await sharedStore(options, url, kept);
  return {
    store,
    heartbeat: () => store.heartbeat(),
    releaseSlotsOf: (killed) => store.releaseSlotsOf(killed),
    // Every replica saves, and none has seen every request: the largest number is the most exact.
    save: () => store.saveChanged((counts) => counters.save(counts, false)),
  };
}

async function sharedStore(
  { config, clock, events, boot, newId }: LimitOptions,
  url: string,
  persisted: readonly PeriodCount[],
): Promise<SharedLimitStore> {
  const { redis_prefix: prefix, redis_timeout: timeoutMs } = config.storage;
  // Each attempt to reconnect fails while the server is down. The store reports the outage once.
  const client = await connectRedis({
    url,
    ...redisTls(config.storage),
    timeoutMs,
    onError: (error) => events.emit('limit_store.connection_failed', { error }),
  });
  await connected(client, clock);
  const store = new SharedLimitStore({
    clock,
    persisted,
    newId,
    shared: (known) =>
      new RedisLimitStore({
        ...{ client, prefix, clock },
        replica: boot,
        cluster: /^rediss?\+cluster:/i.test(url),
        cachedUse: (counter, period) => known.get(counter, period),
        onUse: (counter, period, used) => known.set(counter, period, used),
        events,
      }),
    events,
  });
  await store.heartbeat();
  return store;
}

async function connected(client: RedisClient, clock: Clock): Promise<void> {
  const late = new AbortController();
  const timeout = clock.sleep(FIRST_CONNECT_MS, late.signal).catch(() => undefined);
  await Promise.race([client.connected(), timeout]);
  late.abort();
}
