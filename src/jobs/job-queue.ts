import type { Kysely } from 'kysely';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { JobCount, JobLease } from '../storage/sql/job-store.ts';

export type { JobCount, JobLease };

/** Work that has to be done once, also when a gateway is killed. */
export interface NewJob {
  /** Unique: a job is added once, however often `add` is called with its id. */
  readonly id: string;
  /** Decides who runs it, such as `batch.lines`. */
  readonly kind: string;
  readonly tenant: string;
  /** What it works on, at most 64 KiB: names, not content, which belongs into the tenant's database or a file. */
  readonly payload: string;
  /** The earliest start, in Unix milliseconds; now when absent. */
  readonly dueAt?: number | undefined;
}

/** A job that this gateway runs. */
export interface LeasedJob extends JobLease {
  readonly kind: string;
  readonly tenant: string;
  readonly payload: string;
  /** From 1. */
  readonly attempt: number;
  /** Of the attempt before. */
  readonly error: string | null;
  readonly createdAt: number;
}

/** A job that failed for good. */
export interface FailedJob {
  readonly id: string;
  readonly kind: string;
  readonly tenant: string;
  readonly payload: string;
  readonly attempts: number;
  readonly error: string;
  readonly failedAt: number;
}

export interface ClaimOptions {
  readonly kind: string;
  /** Names the process, and no other. */
  readonly owner: string;
  /** Jobs, at most. */
  readonly limit: number;
  /** Milliseconds. */
  readonly leaseMs: number;
}

/**
 * A durable queue, which the control database owns. A job is leased by one gateway at a time and runs at least once; it is
 * settled exactly once, because each lease has a fence. Tenants get fair shares of the running jobs, by their weights.
 *
 * A method that takes a lease returns false when the lease was lost: then another gateway runs the job, or it was
 * cancelled, and nothing is changed. All methods reject with the database's error.
 */
export interface JobQueue {
  /**
   * Adds jobs. Call `wake` after the commit.
   * @param transaction of the control database, to add them together with a change; a transaction of their own when absent
   * @throws RangeError for a payload that is too large
   */
  add(jobs: readonly NewJob[], transaction?: Kysely<ControlTables>): Promise<void>;
  /** Makes gateways look for jobs now; otherwise they look once a second. */
  wake(kind: string): void;
  /** Leases due jobs, and those of gateways that are gone. */
  claim(options: ClaimOptions): Promise<LeasedJob[]>;
  /** Extends a lease: the sign of life of a gateway. */
  extend(lease: JobLease, ms: number): Promise<boolean>;
  /** The job is done. @param transaction to settle it together with a change: roll back when it returns false */
  finish(lease: JobLease, transaction?: Kysely<ControlTables>): Promise<boolean>;
  /** Runs the job again. @param dueAt Unix milliseconds @param error null when it did not fail: the attempt does not count */
  retry(lease: JobLease, dueAt: number, error: string | null): Promise<boolean>;
  /** The job fails for good. */
  fail(lease: JobLease, error: string): Promise<boolean>;
  /** Cancels jobs that have not ended. @returns their number */
  cancel(ids: readonly string[]): Promise<number>;
  /** @param except the id of a job that does not count @returns whether a job runs whose id begins with `prefix`, at any gateway */
  isRunning(prefix: string, except: string): Promise<boolean>;
  /** @returns jobs that failed for good, the latest first */
  failed(limit: number): Promise<FailedJob[]>;
  /** Runs a failed job again. @returns false when there is no such job */
  requeue(id: string): Promise<boolean>;
  /** @returns jobs that are queued, running or failed */
  counts(): Promise<JobCount[]>;
  /** Deletes jobs that ended a day ago, and failed ones after 14 days; to be called every few minutes. */
  deleteOld(): Promise<void>;
  /** Calls back when there may be jobs of a kind. One listener. */
  onWake(listener: (kind: string) => void): void;
}

export const MAX_PAYLOAD = 64 * 1024;
