import { randomBytes } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { EventSink } from '../events/event-bus.ts';
import { Calendar } from '../limits/calendar.ts';
import { Limiter } from '../limits/limiter.ts';
import { UsageReconciler } from '../limits/usage-reconciler.ts';
import { InFlightRecords, recoverInFlight } from '../metering/in-flight-records.ts';
import { JournalFiles, type JournalProcess, readJournalFile } from '../metering/journal-files.ts';
import type { PriceContext, Prices } from '../metering/prices.ts';
import type { Tokenizer } from '../metering/tokenizer.ts';
import { UsageCounter } from '../metering/usage-counter.ts';
import { type SegmentWriter, UsageJournal } from '../metering/usage-journal.ts';
import { UsageThread } from '../metering/usage-thread.ts';
import type { Metrics } from '../observability/metrics.ts';
import { InFlightUsage } from '../pipeline/in-flight-usage.ts';
import { RejectedRequests } from '../pipeline/rejected-requests.ts';
import { type PromptCacheUse, UsageMeter } from '../pipeline/usage-meter.ts';
import { isRunning } from '../platform/process.ts';
import { isHome, type Regions } from '../regions/regions.ts';
import { PeriodCounters } from '../storage/sql/period-counters.ts';
import type { PeriodCountUpdate } from '../storage/sql/store-period-counts.ts';
import { SqlUsageStore } from '../storage/sql/usage-store.ts';
import { readBatches } from '../storage/usage-batch.ts';
import { journalFolder, usageServers } from './database-servers.ts';
import { homeTenants } from './first-start.ts';
import { LimitEvents } from './limit-events.ts';
import { LimitGauges } from './limit-gauges.ts';
import { createLimits } from './limits.ts';
import type { Stores } from './stores.ts';

export interface UsageOptions {
  readonly config: Config;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly metrics: Metrics;
  readonly tokenizer: Tokenizer;
  /** Of the active configuration. */
  readonly prices: () => Prices;
  /** Told what attempts used the prompt caches of providers for. */
  readonly onPromptCache: (use: PromptCacheUse) => void;
  readonly regions: () => Pick<Regions, 'areSeveral'>;
  /** Limits of models, of the active configuration. */
  readonly modelLimits: () => readonly SubjectLimits[];
  /** Set in a worker: its parent takes over the files of processes that have ended. */
  readonly worker?: { readonly usage: UsageStore } | undefined;
}

/** Stores usage and counters. */
export interface UsageStore extends SegmentWriter {
  saveCounts(update: PeriodCountUpdate): Promise<void>;
}

/** Metering: limits before a request, usage and cost after it. */
export interface UsageParts {
  readonly limiter: Limiter;
  readonly meter: UsageMeter;
  readonly journal: UsageJournal;
  /** Records of running attempts; undefined where no usage is kept. */
  readonly inFlight: InFlightUsage | undefined;
  /** Records requests that reached no target; undefined where no usage is kept. */
  readonly rejected: RejectedRequests | undefined;
  readonly usage: SqlUsageStore;
  /** Writes collected usage and counters to the database. */
  save(): Promise<void>;
  /** Renews the leases of this gateway's reservations; to be called every few seconds. */
  heartbeat(): Promise<void>;
  readonly reconciler: UsageReconciler;
  /** Compares the limits of tenants with their recorded usage, those first that have reached a share to report. */
  reconcile(): Promise<void>;
  readonly limitGauges: LimitGauges;
  deleteOld(): Promise<void>;
  /** Takes over the usage of processes that have ended since the start. */
  recover(): void;
  /** Releases the concurrency slots of a process that was killed, before their leases expire. */
  releaseSlotsOf(boot: string): Promise<void>;
  /** Identifies this process among those that share the limit store. */
  readonly boot: string;
  /** Stores the usage of other processes. */
  readonly store: UsageStore;
  close(): Promise<void>;
}

export async function createUsage(options: UsageOptions): Promise<UsageParts> {
  const { config, stores, clock, events, metrics, tokenizer, prices, worker } = options;
  const usage = new SqlUsageStore(stores.databases);
  // Databases of other regions are theirs to look after: this gateway only stores the usage of what it served.
  const isOwn = (tenant: string) => isHome(config.region, stores.access.tenant(tenant)?.residency);
  // Identifies this process in the ids of its events and the names of its files.
  const boot = randomBytes(8).toString('hex');
  const folder = journalFolder(config);
  const isAlive = (owner: JournalProcess) =>
    owner.boot === boot || (owner.pid !== process.pid && isRunning(owner.pid));
  const recoverRequests = () => {
    const lost = recoverInFlight(folder, isAlive);
    if (lost > 0) events.emit('usage.recovered', { count: lost });
  };
  if (!worker) recoverRequests();
  const records = new InFlightRecords(folder, { pid: process.pid, boot }, stores.writes);
  const writer = worker?.usage ?? usageThread(config, stores);
  const files = new JournalFiles(folder, process.pid, boot, isRunning);
  const leftovers = worker ? [] : files.leftovers();
  const journal = new UsageJournal({
    files,
    writer,
    events,
    health: stores.writes,
    now: () => clock.now(),
    leftovers,
    onReported: (tenants) => {
      for (const tenant of tenants) if (isOwn(tenant)) void stores.writer.deliverEvents({ tenant });
    },
  });
  const counters = new PeriodCounters(
    stores.control,
    () => clock.wallTime(),
    (update) => writer.saveCounts(update),
  );
  let number = 0;
  const newId = () => {
    number += 1;
    return `${boot}-${number}`;
  };
  const limits = await createLimits({ config, clock, events, counters, boot, newId });
  const { store } = limits;
  const limitGauges = new LimitGauges(clock);
  const limiter = new Limiter({
    clock,
    store,
    calendar: new Calendar(),
    // Not an event: every request updates it.
    onUse: (charge, state) => limitGauges.record(charge, state),
    events,
  });
  const priceOf = ({ target, facts }: AttemptTrace, context: PriceContext) =>
    target && prices().of(target, facts, context);
  const inFlight = config.storage.keep_usage
    ? new InFlightUsage({ clock, newId, records, priceOf })
    : undefined;
  const rejected = config.storage.keep_usage ? new RejectedRequests({ clock, newId, journal }) : undefined;
  const meter = new UsageMeter({
    ...{ clock, newId, inFlight, priceOf },
    journal: config.storage.keep_usage ? journal : undefined,
    counter: new UsageCounter(tokenizer),
    // Not an event: every priced request adds to this counter.
    onCost: (model, tenant, nanoUsd) => metrics.limits.cost.labels(model, tenant).inc(nanoUsd / 1e9),
    onPromptCache: options.onPromptCache,
    onDefect: (error) => events.emit('usage.count_failed', { error }),
  });
  const { access } = stores;
  const limitEvents = new LimitEvents(stores.control, stores.outbox);
  const reconciler = new UsageReconciler({
    ...{ clock, limiter, records: usage },
    flush: () => journal.flushAll(),
    tenants: () => homeTenants(access, config.region).map(({ id }) => id),
    countsAll: (tenant) =>
      !options.regions().areSeveral ||
      (tenant !== undefined && access.tenant(tenant)?.residency?.region === config.region),
    subjectsOf: (tenant) => access.limitsIn(tenant),
    modelSubjects: options.modelLimits,
    onUsed: (tenant, used) => limitEvents.report(tenant, used),
  });
  access.onLimitsChanged((tenants) => {
    for (const tenant of tenants) if (isOwn(tenant)) reconciler.schedule(tenant);
  });
  if (leftovers.length > 0) {
    const tenants = tenantsIn(leftovers.slice(0, READ_LEFTOVERS), files);
    await within(clock, RESTORE_MS, restoreCounters(reconciler, tenants, events));
  }
  // Commands may have set limits while no gateway ran; and a killed one's usage may not have been read above.
  reconciler.scheduleAll();
  return {
    ...{ limiter, meter, journal, usage, inFlight, rejected, reconciler, limitGauges },
    save: async () => {
      // First, so that saved counters include all usage in the databases: a killed gateway leaves the rest in its files.
      await limits.save();
      rejected?.flush();
      await journal.flushWhenDue();
    },
    reconcile: () => {
      for (const { counter, used, endsAt } of limitGauges.periodUses()) {
        const { scope, id } = counter.subject;
        // Models have no tenant, and addresses no usage.
        const tenant = scope === 'model' ? undefined : id.slice(0, Math.max(0, id.indexOf('/')));
        if (tenant && isOwn(tenant) && limitEvents.isDue(counter, used, endsAt)) reconciler.schedule(tenant);
      }
      return reconciler.step();
    },
    heartbeat: () => limits.heartbeat(),
    deleteOld: () => counters.deleteOld(),
    recover: () => {
      recoverRequests();
      journal.adopt(files.leftovers());
    },
    releaseSlotsOf: (other) => limits.releaseSlotsOf(other),
    ...{ boot, store: writer },
    close: async () => {
      // Through the journal's thread, which `close` ends.
      await limits.save();
      rejected?.flush();
      await journal.close();
      records.close();
      await store.close();
    },
  };
}

/** The thread that stores usage in the databases of this process. */
function usageThread(config: Config, { placementOf, databases }: Stores): UsageThread {
  const thread = new UsageThread({
    settings: { servers: usageServers(config) },
    placementOf: (tenant) => placementOf({ tenant }),
    onFailure: (placement, error) => databases.writeFailed(placement, error),
  });
  databases.onDrop((placement) => thread.forget(placement));
  return thread;
}

/** How long the start waits for counters to be restored; after that, they are restored while requests are served. */
const RESTORE_MS = 5_000;
/** Files of killed gateways whose tenants are restored before the start. */
const READ_LEFTOVERS = 50;

function tenantsIn(names: readonly string[], files: JournalFiles): ReadonlySet<string> {
  const found = new Set<string>();
  for (const name of names) {
    const batches = readBatches(name, readJournalFile(files.pathOf(name)), () => undefined);
    for (const tenant of batches.keys()) found.add(tenant);
  }
  return found;
}

/** Raises the counters of tenants whose usage a killed gateway has not stored. Never rejects. */
async function restoreCounters(
  reconciler: UsageReconciler,
  tenants: ReadonlySet<string>,
  events: EventSink,
): Promise<void> {
  let failure: unknown;
  for (const tenant of tenants) {
    try {
      await reconciler.reconcile(tenant);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure === undefined) return;
  const impact = 'quotas and budgets may allow more, until the usage can be read';
  events.emit('job.failed', { job: 'restore counters from usage', impact, error: failure });
}

async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const late = new AbortController();
  const timeout = clock.sleep(ms, late.signal).catch(() => undefined);
  await Promise.race([work, timeout]);
  late.abort();
}
