import type { Kysely } from 'kysely';
import type { BatchResultRow, BatchRow } from './batch-tables.ts';
import type { ControlTables } from './control-tables.ts';
import { type CreatedPage, ENDED_STATUSES } from './file-store.ts';
import type { TenantTables } from './tenant-tables.ts';

/** @returns undefined where there is no such batch @param tenant of any tenant when absent */
export function batchById(
  db: Kysely<ControlTables>,
  id: string,
  tenant?: string,
): Promise<BatchRow | undefined> {
  return db
    .selectFrom('batches')
    .selectAll()
    .where('id', '=', id)
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
    .executeTakeFirst();
}

/** @returns batches of a tenant @param form of any form when absent */
export function listBatches(
  db: Kysely<ControlTables>,
  { tenant, limit, order, after, form }: CreatedPage & { readonly form?: string | undefined },
): Promise<BatchRow[]> {
  const beyond = order === 'asc' ? '>' : '<';
  return db
    .selectFrom('batches')
    .selectAll()
    .where('tenant', '=', tenant)
    .$if(form !== undefined, (query) => query.where('form', '=', form ?? ''))
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('created_at', beyond, after?.createdAt ?? 0),
          and([eb('created_at', '=', after?.createdAt ?? 0), eb('id', beyond, after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('created_at', order)
    .orderBy('id', order)
    .limit(limit)
    .execute();
}

/** @returns the batches of a tenant that have not ended */
export async function activeBatches(db: Kysely<ControlTables>, tenant: string): Promise<number> {
  const row = await db
    .selectFrom('batches')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where('tenant', '=', tenant)
    .where('status', 'not in', ENDED_STATUSES)
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** Changes a batch that is in one of some statuses. @returns the changed row; undefined for a batch in another status */
export function changeBatch(
  db: Kysely<ControlTables>,
  id: string,
  statuses: readonly string[],
  change: Partial<Omit<BatchRow, 'id' | 'tenant' | 'version'>>,
): Promise<BatchRow | undefined> {
  return db
    .updateTable('batches')
    .set(({ eb }) => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .where('status', 'in', statuses)
    .returningAll()
    .executeTakeFirst();
}

/** @returns batches whose time has passed, and which have not ended */
export function overdueBatches(
  db: Kysely<ControlTables>,
  now: number,
): Promise<Pick<BatchRow, 'id' | 'tenant'>[]> {
  return db
    .selectFrom('batches')
    .select(['id', 'tenant'])
    .where('status', 'in', ['validating', 'in_progress'])
    .where('expires_at', '<=', now)
    .limit(100)
    .execute();
}

/** Deletes batches that ended long ago, and those of tenants that are gone. @returns the ids of some */
export async function deleteOldBatches(
  db: Kysely<ControlTables>,
  endedBefore: number,
): Promise<Pick<BatchRow, 'id' | 'tenant'>[]> {
  const old = await db
    .selectFrom('batches')
    .select(['id', 'tenant'])
    .where(({ eb, or, selectFrom }) =>
      or([
        eb('ended_at', '<', endedBefore),
        eb(
          'tenant',
          'not in',
          selectFrom('tenants').select('tenants.id').where('tenants.deleted_at', 'is', null),
        ),
      ]),
    )
    .limit(200)
    .execute();
  if (old.length > 0) {
    await db
      .deleteFrom('batches')
      .where(
        'id',
        'in',
        old.map(({ id }) => id),
      )
      .execute();
  }
  return old;
}

/** The number of the row that says whether a batch takes results. */
const HEAD = -1;

/** Where the results of a batch are summed up, by chunk of its input. */
export interface ChunkRange {
  readonly batch: string;
  readonly chunk: number;
  /** First and last line. */
  readonly from: number;
  readonly to: number;
}

/** Lets a batch take results. */
export async function openResults(db: Kysely<TenantTables>, batch: string): Promise<void> {
  await db
    .insertInto('batch_chunks')
    .values({ ...NO_SUMS, batch, chunk: HEAD })
    .onConflict((conflict) => conflict.columns(['batch', 'chunk']).doNothing())
    .execute();
}

/** From here on, a batch takes no result. Waits for those that are being added. */
export async function closeResults(db: Kysely<TenantTables>, batch: string): Promise<void> {
  await db
    .updateTable('batch_chunks')
    .set({ completed: 1 })
    .where('batch', '=', batch)
    .where('chunk', '=', HEAD)
    .execute();
}

const NO_SUMS = {
  ...{ completed: 0, failed: 0, input_tokens: 0, output_tokens: 0, cost_pico: 0, unpriced: 0 },
};

/** The status of a row of a line that waits: it has no result yet, only what its runs have cost. */
export const WAITING = 0;

/**
 * Stores results of lines of one chunk, and its sums, in one transaction. A line that has a result keeps it; what a line
 * has cost while it waits is replaced.
 * @returns false when the batch takes no more: then nothing is stored
 */
export function addResults(
  db: Kysely<TenantTables>,
  { batch, chunk, from, to }: ChunkRange,
  rows: readonly BatchResultRow[],
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    // Locks the head: a batch cannot be closed in between.
    const { numUpdatedRows } = await transaction
      .updateTable('batch_chunks')
      .set(({ eb }) => ({ failed: eb('failed', '+', 1) }))
      .where('batch', '=', batch)
      .where('chunk', '=', HEAD)
      .where('completed', '=', 0)
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) return false;
    await transaction
      .insertInto('batch_results')
      .values([...rows])
      .onConflict((conflict) =>
        conflict
          .columns(['batch', 'line'])
          .doUpdateSet(({ ref }) => ({
            status: ref('excluded.status'),
            body: ref('excluded.body'),
            input_tokens: ref('excluded.input_tokens'),
            output_tokens: ref('excluded.output_tokens'),
            cost_pico: ref('excluded.cost_pico'),
            created_at: ref('excluded.created_at'),
          }))
          .where('batch_results.status', '=', WAITING),
      )
      .execute();
    const stored = await transaction
      .selectFrom('batch_results')
      .select(['status', 'input_tokens', 'output_tokens', 'cost_pico'])
      .where('batch', '=', batch)
      .where('line', '>=', from)
      .where('line', '<=', to)
      .execute();
    const sums = { ...NO_SUMS };
    for (const { status, input_tokens, output_tokens, cost_pico } of stored) {
      if (status === 200) sums.completed += 1;
      else if (status !== WAITING) sums.failed += 1;
      sums.input_tokens += input_tokens;
      sums.output_tokens += output_tokens;
      if (cost_pico === null) sums.unpriced += 1;
      else sums.cost_pico += cost_pico;
    }
    await transaction
      .insertInto('batch_chunks')
      .values({ batch, chunk, ...sums })
      .onConflict((conflict) => conflict.columns(['batch', 'chunk']).doUpdateSet(sums))
      .execute();
    return true;
  });
}

/** The sums of the results of a batch. */
export interface ResultSums {
  readonly completed: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costPico: bigint;
  readonly unpriced: number;
}

/** @returns the sums of all chunks */
export async function resultSums(db: Kysely<TenantTables>, batch: string): Promise<ResultSums> {
  const rows = await db
    .selectFrom('batch_chunks')
    .selectAll()
    .where('batch', '=', batch)
    .where('chunk', '!=', HEAD)
    .execute();
  let [completed, failed, inputTokens, outputTokens, unpriced, costPico] = [0, 0, 0, 0, 0, 0n];
  for (const row of rows) {
    completed += row.completed;
    failed += row.failed;
    inputTokens += row.input_tokens;
    outputTokens += row.output_tokens;
    unpriced += row.unpriced;
    costPico += BigInt(row.cost_pico);
  }
  return { completed, failed, inputTokens, outputTokens, unpriced, costPico };
}

/** @returns the lines of a range that have a result */
export async function linesWithResult(
  db: Kysely<TenantTables>,
  { batch, from, to }: Pick<ChunkRange, 'batch' | 'from' | 'to'>,
): Promise<ReadonlySet<number>> {
  const rows = await db
    .selectFrom('batch_results')
    .select('line')
    .where('batch', '=', batch)
    .where('line', '>=', from)
    .where('line', '<=', to)
    .where('status', '!=', WAITING)
    .execute();
  return new Set(rows.map(({ line }) => line));
}

/** @returns what the lines of a range that wait have cost so far, by line: 10^-12 US dollars; null where it is not known */
export async function costsOfWaiting(
  db: Kysely<TenantTables>,
  { batch, from, to }: Pick<ChunkRange, 'batch' | 'from' | 'to'>,
): Promise<ReadonlyMap<number, number | null>> {
  const rows = await db
    .selectFrom('batch_results')
    .select(['line', 'cost_pico'])
    .where('batch', '=', batch)
    .where('line', '>=', from)
    .where('line', '<=', to)
    .where('status', '=', WAITING)
    .execute();
  return new Map(rows.map(({ line, cost_pico }) => [line, cost_pico]));
}

/** @returns results after a line, in the order of lines */
export function readResults(
  db: Kysely<TenantTables>,
  batch: string,
  after: number,
  limit: number,
): Promise<BatchResultRow[]> {
  return db
    .selectFrom('batch_results')
    .selectAll()
    .where('batch', '=', batch)
    .where('line', '>', after)
    .where('status', '!=', WAITING)
    .orderBy('line')
    .limit(limit)
    .execute();
}

/** Results deleted by one statement. */
const DELETED = 2_000;

/** Deletes the results of a batch, some of them. @returns whether some are left */
export async function deleteResults(db: Kysely<TenantTables>, batch: string): Promise<boolean> {
  const rows = await db
    .selectFrom('batch_results')
    .select('line')
    .where('batch', '=', batch)
    .orderBy('line')
    .limit(DELETED)
    .execute();
  const last = rows.at(-1)?.line;
  if (last !== undefined) {
    await db.deleteFrom('batch_results').where('batch', '=', batch).where('line', '<=', last).execute();
  }
  if (rows.length === DELETED) return true;
  await db.deleteFrom('batch_chunks').where('batch', '=', batch).execute();
  return false;
}
