import type { ApiServices } from '../api/services.ts';
import type { AsyncRequests } from '../async/async-requests.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { lazy } from '../core/lazy.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { JobCount, JobQueue } from '../jobs/job-queue.ts';
import { JobWorker } from '../jobs/job-worker.ts';
import { BLOCK_MS, RedisJobQueue } from '../jobs/redis-job-queue.ts';
import { SqlJobQueue } from '../jobs/sql-job-queue.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Regions } from '../regions/regions.ts';
import { requeueAbandoned } from '../storage/sql/job-store.ts';
import { createAsync } from './async.ts';
import type { Job } from './job-runner.ts';
import { RedisConnection, redisSettings } from './redis-connection.ts';
import type { Stores } from './stores.ts';

export interface JobOptions {
  readonly config: Config;
  readonly activeConfig: () => Config;
  readonly stores: Pick<Stores, 'control' | 'access' | 'databases' | 'outbox'>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly instance: string;
  readonly metrics: Metrics;
  /** Which region serves a tenant. */
  readonly regions: () => Pick<Regions, 'place'>;
  /** Whether this process accepts work. */
  readonly isReady: () => boolean;
  readonly services: () => ApiServices;
  readonly loadInferenceApi: () => void | Promise<void>;
}

/** The durable job queue, and who runs its jobs in this process. */
export interface JobParts {
  readonly queue: JobQueue;
  /** Handlers are registered here, before the background jobs start. */
  readonly worker: JobWorker;
  /** Requests of clients that run later. */
  readonly asyncRequests: AsyncRequests;
  readonly jobs: readonly Job[];
  close(): Promise<void>;
}

/** Connects the queue with the database and, where it is configured, with Redis. */
export function createJobs(options: JobOptions): JobParts {
  const { config, stores, clock, events, instance, metrics, isReady } = options;
  const { control, access } = stores;
  const sqlQueue = new SqlJobQueue({
    ...{ control, clock, random: Math.random },
    // Their content stays where the tenant is served.
    runsFor: (tenant) => {
      const residency = access.tenant(tenant)?.residency;
      return !residency || options.regions().place(residency).kind === 'here';
    },
    weightOf: (tenant) => access.tenant(tenant)?.document.weight ?? 1,
  });
  const redis = createRedisQueue(config, sqlQueue, clock, instance);
  const queue = redis?.queue ?? sqlQueue;
  const worker = new JobWorker({
    ...{ queue, clock, events, owner: instance, random: Math.random },
    // Not an event: each run counts.
    onRun: (kind, outcome) => metrics.jobs.runs.labels(kind, outcome).inc(),
    // A request may queue a job, which wakes the worker, before the first turn of the job below.
    prepare: lazy(() => requeueAbandoned(control)),
  });
  const { services, loadInferenceApi } = options;
  const deferred = createAsync({
    ...{ config: options.activeConfig, stores, clock, metrics, queue, worker, services, loadInferenceApi },
  });
  return {
    ...{ queue, worker, asyncRequests: deferred.requests },
    jobs: [
      ...deferred.jobs,
      {
        name: 'run queued jobs',
        byParent: true,
        everyMs: 1_000,
        impact: 'queued jobs wait in the database',
        run: async () => {
          if (!isReady()) return worker.pause();
          redis?.queue.listen(worker.kinds);
          worker.wake();
        },
      },
      {
        name: 'count queued jobs',
        byParent: true,
        everyMs: 15_000,
        impact: 'the metrics of queued jobs are out of date',
        run: async () => showCounts(metrics, await queue.counts(), clock.wallTime()),
      },
      {
        name: 'delete old jobs',
        byParent: true,
        everyMs: 5 * 60_000,
        impact: 'they take up space until the next run',
        run: () => queue.deleteOld(),
      },
    ],
    close: async () => {
      await redis?.queue.close();
      await worker.close();
      await redis?.close();
    },
  };
}

function showCounts({ jobs }: Metrics, counts: readonly JobCount[], now: number): void {
  jobs.queued.reset();
  jobs.oldest.reset();
  for (const { kind, state, count, oldestDueAt } of counts) {
    jobs.queued.labels(kind, state).set(count);
    if (state === 'queued') jobs.oldest.labels(kind).set(Math.max(0, now - oldestDueAt) / 1_000);
  }
}

function createRedisQueue(config: Config, queue: JobQueue, clock: Clock, owner: string) {
  const settings = redisSettings(config);
  if (!settings) return undefined;
  const connection = new RedisConnection(settings);
  const blocking = new RedisConnection({ ...settings, timeoutMs: settings.timeoutMs + 2 * BLOCK_MS });
  return {
    queue: new RedisJobQueue({
      ...{ queue, owner, prefix: config.storage.redis_prefix },
      connect: () => connection.open(),
      connectBlocking: () => blocking.open(),
      now: () => clock.now(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
    }),
    close: async () => {
      await connection.close();
      await blocking.close();
    },
  };
}
