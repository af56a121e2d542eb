import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  addJobRows,
  cancelJobs,
  countJobs,
  deleteOldJobs,
  dueTenants,
  extendJobLease,
  failedJobs,
  isPrefixRunning,
  type JobLease,
  leaseJobs,
  requeueExpired,
  requeueFailed,
  runningByTenant,
  settleJob,
} from '../storage/sql/job-store.ts';
import type { JobRow } from '../storage/sql/job-tables.ts';
import { fairShares } from './fair-share.ts';
import { type ClaimOptions, type JobQueue, type LeasedJob, MAX_PAYLOAD, type NewJob } from './job-queue.ts';

export interface SqlJobQueueOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Pick<Clock, 'wallTime'>;
  /** Share of a tenant; more than 0. */
  readonly weightOf: (tenant: string) => number;
  /** Whether this gateway may run the jobs of a tenant; those of all where absent. Others are left to gateways elsewhere. */
  readonly runsFor?: ((tenant: string) => boolean) | undefined;
  /** From 0 to 1: tenants with equal shares take turns by chance. */
  readonly random: () => number;
}

const DAY_MS = 86_400_000;
const KEEP_DAYS = 1;
const KEEP_FAILED_DAYS = 14;
const MAX_ERROR = 2_000;

/** The job queue in the control database: gateways look for jobs once a second. */
export class SqlJobQueue implements JobQueue {
  #onWake: ((kind: string) => void) | undefined;

  constructor(private readonly options: SqlJobQueueOptions) {}

  async add(jobs: readonly NewJob[], transaction?: Kysely<ControlTables>): Promise<void> {
    const now = this.options.clock.wallTime();
    await addJobRows(
      transaction ?? this.options.control,
      jobs.map((job) => rowOf(job, now)),
    );
  }

  wake(kind: string): void {
    this.#onWake?.(kind);
  }

  onWake(listener: (kind: string) => void): void {
    this.#onWake = listener;
  }

  async claim({ kind, owner, limit, leaseMs }: ClaimOptions): Promise<LeasedJob[]> {
    const { control, clock, weightOf, random, runsFor } = this.options;
    const now = clock.wallTime();
    await requeueExpired(control, now);
    let free = limit;
    const leased: LeasedJob[] = [];
    // A second round, where a tenant had fewer jobs than places.
    for (let round = 0; round < 2 && free > 0; round += 1) {
      const due = await dueTenants(control, kind, now);
      const tenants = runsFor ? due.filter(runsFor) : due;
      if (tenants.length === 0) break;
      const order = tenants
        .map((tenant) => ({ tenant, at: random() }))
        .sort((a, b) => a.at - b.at)
        .map(({ tenant }) => tenant);
      const shares = fairShares(order, await runningByTenant(control, kind), weightOf, free);
      for (const [tenant, share] of shares) {
        const rows = await leaseJobs(control, { kind, tenant, owner, leaseMs, limit: share }, now);
        leased.push(...rows.map(leasedJob));
        free -= rows.length;
      }
    }
    return leased;
  }

  extend(lease: JobLease, ms: number): Promise<boolean> {
    const { control, clock } = this.options;
    return extendJobLease(control, lease, clock.wallTime(), ms);
  }

  finish(lease: JobLease, transaction?: Kysely<ControlTables>): Promise<boolean> {
    const change = { state: 'done', error: null, finished_at: this.options.clock.wallTime() };
    return settleJob(transaction ?? this.options.control, lease, change);
  }

  async retry(lease: JobLease, dueAt: number, error: string | null): Promise<boolean> {
    const { control } = this.options;
    const change = { state: 'queued', due_at: dueAt };
    return settleJob(
      control,
      lease,
      // Its attempts begin again: nothing was wrong with it.
      error === null ? { ...change, attempts: 0 } : { ...change, error: storable(error) },
    );
  }

  fail(lease: JobLease, error: string): Promise<boolean> {
    const { control, clock } = this.options;
    const change = { state: 'failed', error: storable(error), finished_at: clock.wallTime() };
    return settleJob(control, lease, change);
  }

  cancel(ids: readonly string[]): Promise<number> {
    return cancelJobs(this.options.control, ids, this.options.clock.wallTime());
  }

  isRunning(prefix: string, except: string): Promise<boolean> {
    return isPrefixRunning(this.options.control, prefix, except);
  }

  async failed(limit: number) {
    const rows = await failedJobs(this.options.control, limit);
    return rows.map(({ id, kind, tenant, payload, attempts, error, finished_at }) => ({
      ...{ id, kind, tenant, payload, attempts, error: error ?? '', failedAt: finished_at ?? 0 },
    }));
  }

  requeue(id: string): Promise<boolean> {
    return requeueFailed(this.options.control, id, this.options.clock.wallTime());
  }

  counts() {
    return countJobs(this.options.control);
  }

  deleteOld(): Promise<void> {
    const now = this.options.clock.wallTime();
    return deleteOldJobs(this.options.control, {
      before: now - KEEP_DAYS * DAY_MS,
      failedBefore: now - KEEP_FAILED_DAYS * DAY_MS,
    });
  }
}

function rowOf({ id, kind, tenant, payload, dueAt }: NewJob, now: number): JobRow {
  if (Buffer.byteLength(payload) > MAX_PAYLOAD) {
    throw new RangeError(`the payload of the job "${id}" is larger than ${MAX_PAYLOAD} bytes`);
  }
  return {
    ...{ id, kind, tenant, payload, state: 'queued', due_at: dueAt ?? now, attempts: 0, fence: 0 },
    ...{ owner: '', lease_until: 0, error: null, created_at: now, finished_at: null },
  };
}

function leasedJob({ id, kind, tenant, payload, attempts, fence, error, created_at }: JobRow): LeasedJob {
  return { id, kind, tenant, payload, fence, attempt: attempts, error, createdAt: created_at };
}

/** PostgreSQL stores no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_ERROR);
}
