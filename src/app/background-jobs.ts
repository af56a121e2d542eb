import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { EventLoopDelay } from '../observability/event-loop-delay.ts';
import type { GpuMonitor } from '../observability/gpus/gpu-monitor.ts';
import type { MetricExporter } from '../observability/metric-export/metric-exporter.ts';
import type { SpanExporter } from '../observability/tracing/span-exporter.ts';
import type { Lifecycle } from '../pipeline/lifecycle.ts';
import type { LiveFeed } from '../pipeline/live-feed.ts';
import type { RequestLogWriter } from '../pipeline/request-log-writer.ts';
import type { ReplayStore } from '../storage/replay-store.ts';
import type { AuditQueue } from '../tenancy/audit-queue.ts';
import { KEY_RING_REFRESH_MS } from '../tenancy/key-rotation.ts';
import type { AuditAnchors } from './audit-anchors.ts';
import type { BackupWatch } from './backup-watch.ts';
import type { BatchServices } from './batches.ts';
import type { DataRetention } from './data-retention.ts';
import type { DurableEvents } from './durable-events.ts';
import type { ExportJobs } from './exports.ts';
import { homeTenants } from './first-start.ts';
import type { Job } from './job-runner.ts';
import type { JobParts as QueuedJobs } from './jobs.ts';
import type { LazyAlerts } from './lazy-alerts.ts';
import type { LazyBilling } from './lazy-billing.ts';
import type { LazyReports } from './lazy-reports.ts';
import type { LogKeeper } from './log-files.ts';
import { CHECK_EVERY_MS as REGIONS_EVERY_MS, type RegionParts } from './regions.ts';
import type { StorageSizes } from './storage-sizes.ts';
import type { Stores } from './stores.ts';
import type { TargetMonitor } from './target-monitor.ts';
import type { UsageParts } from './usage.ts';
import type { UsageArchiver } from './usage-archive.ts';
import type { UsageCopies } from './usage-copies.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How often the monitor decides whether health checks and load reads are due. */
export const CHECK_EVERY_MS = 500;

/** With Redis, changes are active at once. */
const CONFIG_REFRESH_MS = 5_000;

export interface JobParts {
  readonly stores: Stores;
  readonly durableEvents: DurableEvents;
  readonly queued: QueuedJobs;
  readonly batches: BatchServices;
  readonly usage: UsageParts;
  readonly replays: ReplayStore;
  readonly dataRetention: DataRetention;
  readonly auditAnchors: AuditAnchors;
  readonly auditQueue: AuditQueue;
  readonly requestLog: RequestLogWriter;
  readonly live: LiveFeed;
  readonly logKeeper: LogKeeper | undefined;
  readonly exporter: SpanExporter;
  readonly metricExporter: MetricExporter;
  readonly gpus: GpuMonitor;
  readonly storageSizes: StorageSizes;
  readonly backups: BackupWatch;
  readonly engines: EnginePool;
  readonly monitor: TargetMonitor;
  readonly regions: RegionParts;
  readonly eventLoop: EventLoopDelay;
  readonly lifecycle: Lifecycle;
  readonly billing: LazyBilling;
  readonly reports: LazyReports;
  readonly usageArchiver: UsageArchiver;
  readonly exports: ExportJobs;
  readonly usageCopies: UsageCopies;
  readonly alerts: LazyAlerts;
  /** Activates what other gateways changed of the configuration. */
  readonly refreshConfig: () => Promise<void>;
  /** Reads the secrets of the configuration again, when that is due. */
  readonly refreshSecrets: () => Promise<void>;
  /** Does nothing once it has succeeded. */
  readonly loadInferenceApi: () => void | Promise<void>;
}

/** Everything that a gateway does at intervals. */
function backgroundJobs(parts: JobParts): readonly Job[] {
  const {
    stores,
    durableEvents,
    queued,
    batches,
    usage,
    replays,
    dataRetention,
    auditAnchors,
    auditQueue,
    requestLog,
    live,
    logKeeper,
    exporter,
    metricExporter,
    gpus,
    storageSizes,
    backups,
    engines,
    monitor,
    regions,
    eventLoop,
    lifecycle,
    billing,
    reports,
    usageArchiver,
    exports,
    usageCopies,
    alerts,
    loadInferenceApi,
    refreshConfig,
    refreshSecrets,
  } = parts;
  return [
    {
      name: 'measure event-loop delay',
      everyMs: eventLoop.intervalMs,
      impact: 'the metrics of the event loop are out of date',
      run: () => eventLoop.tick(),
    },
    {
      name: 'refresh the configuration',
      everyMs: CONFIG_REFRESH_MS,
      impact: 'changes of providers and models that other gateways made are not active here',
      run: refreshConfig,
    },
    {
      name: 'refresh secrets of the configuration',
      everyMs: 1_000,
      impact: 'changed secrets are not used yet; the last known ones stay in use',
      run: refreshSecrets,
    },
    {
      name: 'refresh sealing keys',
      everyMs: KEY_RING_REFRESH_MS,
      impact: 'values that a rotated key has sealed cannot be read here',
      run: () => stores.keyRing.refresh(),
    },
    {
      name: 'refresh API keys',
      everyMs: 500,
      impact: 'the last known keys stay valid',
      run: () => stores.access.refresh(),
    },
    {
      name: 'check the local disk',
      everyMs: 1_000,
      impact: 'readiness is out of date',
      run: () => stores.writes.probe(),
    },
    {
      name: 'record requests in flight',
      everyMs: 1_000,
      impact: 'a crash of this process leaves older figures of their use',
      run: () => usage.inFlight?.update(lifecycle.requests()),
    },
    {
      name: 'save usage',
      everyMs: 1_000,
      impact: 'usage stays on the local disk and is retried',
      run: () => usage.save(),
    },
    {
      name: 'take over the usage of ended workers',
      byParent: true,
      everyMs: 10_000,
      impact: 'it stays on the local disk and is retried',
      run: () => usage.recover(),
    },
    {
      // Ahead of its first request, but not at once: it keeps the process busy for 0.1 s, and health checks come first.
      name: 'load the inference API',
      everyMs: 1_000,
      impact: 'the first inference request waits for it',
      run: () => loadInferenceApi(),
    },
    {
      name: 'renew limit leases',
      everyMs: 2_000,
      impact: 'other gateways may release the concurrency slots of this one',
      run: () => usage.heartbeat(),
    },
    {
      name: 'compare quotas and budgets with usage',
      everyMs: 2_000,
      impact: 'limits that were added within their period may allow more',
      run: () => usage.reconcile(),
    },
    {
      name: 'schedule engines',
      byParent: true,
      everyMs: 250,
      impact: 'engines are neither started nor stopped',
      run: () => engines.tick(),
    },
    {
      name: 'check providers',
      everyMs: CHECK_EVERY_MS,
      impact: 'the last known health and load stay in use',
      run: () => monitor.check(),
    },
    {
      name: 'check other regions',
      everyMs: REGIONS_EVERY_MS,
      impact: 'the last known health of other regions stays in use',
      run: () => regions.check(),
    },
    {
      name: 'eject outliers',
      everyMs: 5_000,
      impact: 'failing targets keep getting requests until their circuit breakers open',
      run: () => monitor.ejectOutliers(),
    },
    {
      name: 'discover models',
      everyMs: 5 * 60_000,
      impact: 'the last known model lists stay in use',
      run: () => monitor.discoverModels(),
    },
    {
      name: 'delete expired sessions, sign-in attempts and counters',
      byParent: true,
      everyMs: HOUR_MS,
      impact: 'they take up space until the next run; expired sessions are not accepted',
      run: async () => {
        await stores.sessions.deleteExpired();
        await stores.signInAttempts.deleteExpired();
        await usage.deleteOld();
        await stores.tenants.dropRemoved();
      },
    },
    {
      name: 'renew requests with idempotency keys',
      everyMs: 20_000,
      impact: 'a repetition of a request that runs may be executed',
      run: () => replays.renew(),
    },
    {
      // Often, because they may hold secrets, though sealed.
      name: 'delete expired responses of idempotency keys',
      byParent: true,
      everyMs: 10 * 60_000,
      impact: 'they take up space until the next run; they are not replayed',
      run: () => stores.idempotency.deleteExpired(),
    },
    {
      name: 'delete data whose retention has passed',
      byParent: true,
      everyMs: MINUTE_MS,
      impact: 'it takes up space until a later run',
      run: () => dataRetention.run(),
    },
    {
      name: 'make reports',
      byParent: true,
      everyMs: MINUTE_MS,
      impact: 'reports that are due wait for the next run',
      run: () => reports.run(),
    },
    {
      name: 'export usage',
      byParent: true,
      everyMs: 1_000,
      impact: 'usage waits in the database until the next run',
      run: () => exports.run(),
    },
    {
      name: 'archive usage events',
      byParent: true,
      everyMs: MINUTE_MS,
      impact: 'old usage events stay in the database',
      run: () => usageArchiver.run(),
    },
    {
      name: 'copy daily usage sums',
      byParent: true,
      everyMs: MINUTE_MS,
      impact: 'reports of all tenants are out of date',
      run: () => usageCopies.run(),
    },
    {
      name: 'close months',
      everyMs: MINUTE_MS,
      byParent: true,
      impact: 'months that ended have no invoices yet',
      run: () => billing.run(),
    },
    {
      name: 'send totals to live streams',
      everyMs: 1_000,
      impact: 'live streams show no totals',
      run: () => (lifecycle.state === 'ready' ? live.tick() : live.close()),
    },
    {
      name: 'write logged requests',
      everyMs: 1_000,
      impact: 'logged requests wait, and are lost when too many do',
      run: () => requestLog.flush(),
    },
    {
      name: 'send traces',
      everyMs: 2_000,
      impact: 'spans wait, and are lost when too many do',
      run: () => exporter.flush(),
    },
    {
      name: 'write audit entries',
      everyMs: 1_000,
      impact: 'entries of requests and operations wait in memory, and are lost when too many do',
      run: () => auditQueue.flush(),
    },
    {
      name: 'compress and delete old log files',
      everyMs: 10_000,
      impact: 'they take up space until the next run',
      run: () => logKeeper?.run(),
    },
    {
      name: 'measure local files',
      byParent: true,
      everyMs: 10_000,
      impact: 'the metrics of their size are out of date',
      run: () => storageSizes.measure(),
    },
    {
      name: 'look for the latest backup',
      byParent: true,
      everyMs: 10_000,
      impact: 'its age is that of the last known backup',
      run: () => backups.run(),
    },
    {
      name: 'read GPUs',
      byParent: true,
      everyMs: 1_000,
      impact: 'the metrics of GPUs disappear',
      run: () => gpus.tick(),
    },
    {
      name: 'send metrics',
      everyMs: 1_000,
      impact: 'the collector has older values',
      run: () => metricExporter.tick(),
    },
    ...alerts.jobs,
    ...durableEvents.jobs,
    ...queued.jobs,
    ...batches.jobs,
    {
      name: 'report the heads of audit trails',
      byParent: true,
      everyMs: MINUTE_MS,
      impact: 'logs and metrics do not prove the latest entries',
      run: () => auditAnchors.run(),
    },
  ];
}

/**
 * Publishes tenant changes that a crashed gateway committed but did not publish, and drops the databases of removed
 * tenants that it left behind.
 */
export async function publishPendingChanges(
  { access, writer, tenants }: Pick<Stores, 'access' | 'writer' | 'tenants'>,
  region: string | null,
): Promise<void> {
  await tenants.dropRemoved();
  for (const { id } of homeTenants(access, region)) {
    // SQLite answers at once: without a pause, no request would be served before the last tenant.
    await nextTurn();
    await writer.publish({ tenant: id });
  }
}

/** A worker leaves to its parent what concerns the machine or the databases. */
export function jobsOf(isWorker: boolean, parts: JobParts): readonly Job[] {
  return backgroundJobs(parts).filter(({ byParent }) => !isWorker || byParent !== true);
}
