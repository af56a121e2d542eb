import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { UsageMeter } from '../inference/usage-meter.ts';
import { Calendar } from '../limits/calendar.ts';
import type { Counter } from '../limits/counter.ts';
import { Limiter } from '../limits/limiter.ts';
import { JournalFiles } from '../metering/journal-files.ts';
import type { Prices } from '../metering/prices.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import { UsageCounter } from '../metering/usage-counter.ts';
import { UsageJournal } from '../metering/usage-journal.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isRunning } from '../platform/process.ts';
import { PeriodCounters } from '../storage/sql/period-counters.ts';
import { isUnavailable } from '../storage/sql/postgres-server.ts';
import { UnknownTenantError } from '../storage/sql/tenant-databases.ts';
import { SqlUsageStore } from '../storage/sql/usage-store.ts';
import { createLimits } from './limits.ts';
import { dataFolder, type Stores } from './stores.ts';

export interface UsageOptions {
  readonly config: Config;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tokenizer: Tokenizer;
  /** Of the configuration in force. */
  readonly prices: () => Prices;
}

/** Counting and limiting what is used, and keeping it. */
export interface UsageParts {
  readonly limiter: Limiter;
  readonly meter: UsageMeter;
  readonly journal: UsageJournal;
  readonly usage: SqlUsageStore;
  /** Stores what has come together; to be called every now and then. */
  keep(): Promise<void>;
  /** Says that this gateway lives; to be called every few seconds. */
  heartbeat(): Promise<void>;
  deleteOld(): Promise<void>;
  close(): Promise<void>;
}

export async function createUsage(options: UsageOptions): Promise<UsageParts> {
  const { config, stores, clock, log, metrics, tokenizer, prices } = options;
  const { logger } = log;
  const usage = new SqlUsageStore(stores.databases);
  // Tells this process from all others, in the ids of its events and the names of its files.
  const boot = randomBytes(8).toString('hex');
  const journal = new UsageJournal({
    files: new JournalFiles(join(dataFolder(config), 'usage-journal'), process.pid, boot, isRunning),
    sink: usage,
    onError: (message, error) => logger.error({ err: error }, message),
    serverOf: (tenant) => stores.access.tenant(tenant)?.placement.server ?? '',
    isLost: isUnavailable,
    isPermanent: (error) => error instanceof UnknownTenantError,
  });
  const counters = new PeriodCounters(stores.control, () => clock.wallTime());
  let number = 0;
  const newId = () => {
    number += 1;
    return `${boot}-${number}`;
  };
  const limits = await createLimits({ config, clock, log, metrics, counters, boot, newId });
  const { store } = limits;
  const quotaGauges = new WeakMap<Counter, ReturnType<typeof metrics.quotaUsed.labels>>();
  const limiter = new Limiter({
    clock,
    store,
    calendar: new Calendar(),
    onUse: (counter, used) => {
      const { subject, limit } = counter;
      if (limit.max === 0) return;
      let gauge = quotaGauges.get(counter);
      if (!gauge) {
        gauge = metrics.quotaUsed.labels(subject.id.slice(0, -1), `${limit.of}_per_${limit.per}`);
        quotaGauges.set(counter, gauge);
      }
      gauge.set(used / limit.max);
    },
    onHit: ({ subject, limit }, refused) => {
      if (refused) metrics.rateLimited.labels(subject.scope).inc();
      else metrics.limitsPassed.labels(subject.scope, limit.mode).inc();
    },
  });
  const meter = new UsageMeter({
    clock,
    newId,
    journal: config.storage.keep_usage ? journal : undefined,
    priceOf: ({ target, facts }, tenant) => target && prices().of(target, facts, tenant, clock.wallTime()),
    counter: new UsageCounter(tokenizer),
    onCost: (model, tenant, nanoUsd) => metrics.cost.labels(model, tenant).inc(nanoUsd / 1e9),
    onDefect: (error) => logger.error({ err: error }, 'tokens could not be counted; a guess stands for them'),
  });
  return {
    ...{ limiter, meter, journal, usage },
    keep: async () => {
      await journal.flush();
      await limits.save();
    },
    heartbeat: () => limits.heartbeat(),
    deleteOld: () => counters.deleteOld(),
    close: async () => {
      await journal.close();
      await limits.save();
      await store.close();
    },
  };
}
