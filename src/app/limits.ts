import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import { MemoryLimitStore } from '../limits/memory-limit-store.ts';
import { RedisLimitStore } from '../limits/redis-limit-store.ts';
import { SharedLimitStore } from '../limits/shared-limit-store.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { PeriodCount, PeriodCounters } from '../storage/sql/period-counters.ts';

export interface LimitOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly counters: PeriodCounters;
  /** Names this process, and no other. */
  readonly boot: string;
  readonly newId: () => string;
}

/** Where limits are counted, and what has to be done for it now and then. */
export interface LimitParts {
  readonly store: LimitStore;
  /** Every few seconds. */
  heartbeat(): Promise<void>;
  /** Keeps quotas and budgets in the database. */
  save(): Promise<void>;
}

/** The first start waits so long for Redis; then limits are counted alone until it comes. */
const FIRST_CONNECT_MS = 3_000;

/** In memory for a gateway that is alone, in Redis for those that share. */
export async function createLimits(options: LimitOptions): Promise<LimitParts> {
  const { config, clock, counters } = options;
  const kept = await counters.load();
  const url = config.storage.redis_url;
  if (url === null) {
    const store = new MemoryLimitStore(clock, kept);
    return {
      store,
      heartbeat: async () => undefined,
      save: () => store.saveChanged((counts) => counters.save(counts, true)),
    };
  }
  const store = await sharedStore(options, url, kept);
  return {
    store,
    heartbeat: () => store.heartbeat(),
    // Others keep theirs too, and none knows all: the largest number is the nearest.
    save: () => store.saveChanged((counts) => counters.save(counts, false)),
  };
}

async function sharedStore(
  { config, clock, log, metrics, boot, newId }: LimitOptions,
  url: string,
  persisted: readonly PeriodCount[],
): Promise<SharedLimitStore> {
  const { logger } = log;
  const { redis_prefix: prefix, redis_timeout: timeoutMs } = config.storage;
  // Connections fail many times while a server is away; that it is away is told once, by the store.
  const client = await connectRedis({
    url,
    timeoutMs,
    onError: (error) => logger.debug({ err: error }, 'connection to Redis'),
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
        onLost: (count) => {
          metrics.reservationsLost.labels().inc(count);
          logger.warn(
            { reservations: count },
            'another gateway is gone: its places are free again; what its requests had reserved of quotas and budgets stays used',
          );
        },
      }),
    onChange: (lost, error) => {
      metrics.limitStoreLost.labels().set(lost ? 1 : 0);
      if (lost) {
        logger.error({ err: error }, 'Redis can not be reached: each limit now follows its on_store_loss');
      } else logger.info('Redis is back: limits are shared again');
    },
  });
  metrics.limitStoreLost.labels().set(0);
  await store.heartbeat();
  return store;
}

async function connected(client: RedisClient, clock: Clock): Promise<void> {
  const late = new AbortController();
  const timeout = clock.sleep(FIRST_CONNECT_MS, late.signal).catch(() => undefined);
  await Promise.race([client.connected(), timeout]);
  late.abort();
}
