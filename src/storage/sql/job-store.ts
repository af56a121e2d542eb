import { type Kysely, SqliteAdapter, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import { leaseTime } from './event-log.ts';
import type { JobRow } from './job-tables.ts';

/** Rows of one statement: databases limit its parameters. */
const ROWS = 500;

/** Adds jobs; one whose id exists stays as it is. */
export async function addJobRows(db: Kysely<ControlTables>, rows: readonly JobRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS) {
    await db
      .insertInto('jobs')
      .values(rows.slice(from, from + ROWS))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }
}

/** Queues jobs again whose gateway did not extend their lease in time. Reads first: an idle gateway writes nothing. */
export async function requeueExpired(db: Kysely<ControlTables>, now: number): Promise<void> {
  const expired = await db
    .selectFrom('jobs')
    .select('id')
    .where('state', '=', 'running')
    .where('lease_until', '<', leaseTime(db, now))
    .limit(1)
    .executeTakeFirst();
  if (!expired) return;
  await db
    .updateTable('jobs')
    .set({ state: 'queued', owner: '', lease_until: 0 })
    .where('state', '=', 'running')
    .where('lease_until', '<', leaseTime(db, now))
    .execute();
}

/**
 * Queues jobs again that a process ran before it ended, where the database has one gateway only: in SQLite. To be called
 * before the first job runs.
 */
export async function requeueAbandoned(db: Kysely<ControlTables>): Promise<void> {
  if (!(db.getExecutor().adapter instanceof SqliteAdapter)) return;
  await db
    .updateTable('jobs')
    .set({ state: 'queued', owner: '', lease_until: 0 })
    .where('state', '=', 'running')
    .execute();
}

/**
 * Tenants with jobs that are due. A recursive query, which steps from tenant to tenant within the index: the time depends
 * on their number, not on that of the jobs.
 */
export async function dueTenants(db: Kysely<ControlTables>, kind: string, now: number): Promise<string[]> {
  const { rows } = await sql<{ tenant: string }>`
    WITH RECURSIVE found(tenant) AS (
      SELECT min(tenant) FROM jobs WHERE kind = ${kind} AND state = 'queued'
      UNION ALL
      SELECT (SELECT min(tenant) FROM jobs WHERE kind = ${kind} AND state = 'queued' AND tenant > found.tenant)
      FROM found WHERE found.tenant IS NOT NULL
    )
    SELECT tenant FROM found WHERE tenant IS NOT NULL AND EXISTS (
      SELECT 1 FROM jobs
      WHERE kind = ${kind} AND state = 'queued' AND jobs.tenant = found.tenant AND due_at <= ${now}
    )`.execute(db);
  return rows.map(({ tenant }) => tenant);
}

/** @returns the running jobs of a kind, by tenant */
export async function runningByTenant(
  db: Kysely<ControlTables>,
  kind: string,
): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('jobs')
    .select(({ fn }) => ['tenant', fn.countAll<number | string>().as('count')])
    .where('kind', '=', kind)
    .where('state', '=', 'running')
    .groupBy('tenant')
    .execute();
  return new Map(rows.map(({ tenant, count }) => [tenant, Number(count)]));
}

/** Which jobs a gateway leases. */
export interface JobClaim {
  readonly kind: string;
  readonly tenant: string;
  readonly limit: number;
  readonly owner: string;
  /** Length of the lease, in milliseconds. */
  readonly leaseMs: number;
}

/**
 * Leases due jobs of a tenant, those first that have been due longest. Leases end by the clock of the database server where
 * there is one.
 */
export async function leaseJobs(
  db: Kysely<ControlTables>,
  { kind, tenant, limit, owner, leaseMs }: JobClaim,
  now: number,
): Promise<JobRow[]> {
  const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter;
  const rows = await db
    // Not a subquery of the update, which PostgreSQL may run again for each row.
    .with('next', (query) =>
      query
        .selectFrom('jobs')
        .select('id')
        .where('kind', '=', kind)
        .where('state', '=', 'queued')
        .where('tenant', '=', tenant)
        .where('due_at', '<=', now)
        .orderBy('due_at')
        .orderBy('id')
        .limit(limit)
        // Other gateways take the next ones instead of waiting for these.
        .$if(!isSqlite, (some) => some.forUpdate().skipLocked()),
    )
    .updateTable('jobs')
    .set({
      ...{ state: 'running', owner, lease_until: sql`${leaseTime(db, now)} + ${leaseMs}` },
      ...{ fence: sql`fence + 1`, attempts: sql`attempts + 1` },
    })
    .where('id', 'in', (query) => query.selectFrom('next').select('next.id'))
    .where('state', '=', 'queued')
    .returningAll()
    .execute();
  return rows.sort((a, b) => a.due_at - b.due_at || (a.id < b.id ? -1 : 1));
}

/** A gateway's right to run a job. */
export interface JobLease {
  readonly id: string;
  readonly fence: number;
}

/** Extends a lease. @returns false when it was lost, or when the job was cancelled */
export async function extendJobLease(
  db: Kysely<ControlTables>,
  lease: JobLease,
  now: number,
  ms: number,
): Promise<boolean> {
  return changeLeased(db, lease, { lease_until: sql<number>`${leaseTime(db, now)} + ${ms}` });
}

/** The outcome of a leased job. */
export type JobChange = Partial<Pick<JobRow, 'state' | 'due_at' | 'attempts' | 'error' | 'finished_at'>>;

/** Ends a lease with its outcome. @returns false when it was lost: then nothing is changed */
export async function settleJob(
  db: Kysely<ControlTables>,
  lease: JobLease,
  change: JobChange,
): Promise<boolean> {
  return changeLeased(db, lease, { ...change, owner: '', lease_until: 0 });
}

async function changeLeased(
  db: Kysely<ControlTables>,
  { id, fence }: JobLease,
  change: Record<string, unknown>,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('jobs')
    .set(change)
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Cancels jobs that have not ended. A gateway that runs one learns of it when it extends its lease. @returns their number */
export async function cancelJobs(
  db: Kysely<ControlTables>,
  ids: readonly string[],
  now: number,
): Promise<number> {
  let count = 0;
  for (let from = 0; from < ids.length; from += ROWS) {
    const { numUpdatedRows } = await db
      .updateTable('jobs')
      .set({ state: 'cancelled', owner: '', lease_until: 0, finished_at: now })
      .where('id', 'in', ids.slice(from, from + ROWS))
      .where('state', 'in', ['queued', 'running'])
      .executeTakeFirst();
    count += Number(numUpdatedRows);
  }
  return count;
}

/** Queues a failed job again. @returns false when there is no such job */
export async function requeueFailed(db: Kysely<ControlTables>, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('jobs')
    .set({ state: 'queued', attempts: 0, due_at: now, finished_at: null })
    .where('id', '=', id)
    .where('state', '=', 'failed')
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** @returns whether another job than `except` runs whose id begins with `prefix` */
export async function isPrefixRunning(
  db: Kysely<ControlTables>,
  prefix: string,
  except: string,
): Promise<boolean> {
  const row = await db
    .selectFrom('jobs')
    .select('id')
    .where('state', '=', 'running')
    .where('id', '!=', except)
    .where(sql<boolean>`substr(id, 1, ${prefix.length}) = ${prefix}`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** @returns failed jobs, the latest first */
export function failedJobs(db: Kysely<ControlTables>, limit: number): Promise<JobRow[]> {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('state', '=', 'failed')
    .orderBy('finished_at', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Jobs of one kind in one state. */
export interface JobCount {
  readonly kind: string;
  readonly state: string;
  readonly count: number;
  /** Unix milliseconds. */
  readonly oldestDueAt: number;
}

/** @returns jobs that have not ended, and failed ones */
export async function countJobs(db: Kysely<ControlTables>): Promise<JobCount[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(({ fn }) => [
      ...(['kind', 'state'] as const),
      fn.countAll<number | string>().as('count'),
      fn.min('due_at').as('oldest'),
    ])
    .where('state', 'in', ['queued', 'running', 'failed'])
    .groupBy(['kind', 'state'])
    .execute();
  return rows.map(({ kind, state, count, oldest }) => ({
    ...{ kind, state, count: Number(count), oldestDueAt: Number(oldest) },
  }));
}

/** Deletes jobs that ended before these times. Unix milliseconds. */
export async function deleteOldJobs(
  db: Kysely<ControlTables>,
  { before, failedBefore }: { before: number; failedBefore: number },
): Promise<void> {
  await db
    .deleteFrom('jobs')
    .where('state', 'in', ['done', 'cancelled'])
    .where('finished_at', '<', before)
    .execute();
  await db.deleteFrom('jobs').where('state', '=', 'failed').where('finished_at', '<', failedBefore).execute();
}
