import type { Kysely } from 'kysely';
import type { AsyncContentRow, AsyncRequestRow } from './async-tables.ts';
import type { ControlTables } from './control-tables.ts';
import type { TenantTables } from './tenant-tables.ts';

/** Requests that have not ended. */
const OPEN = ['pending', 'running'];
/** Rows of one statement. */
const ROWS = 200;

/** @returns undefined where there is no such request @param tenant of any tenant when absent */
export function asyncById(
  db: Kysely<ControlTables>,
  id: string,
  tenant?: string,
): Promise<AsyncRequestRow | undefined> {
  return db
    .selectFrom('async_requests')
    .selectAll()
    .where('id', '=', id)
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
    .executeTakeFirst();
}

/** @returns the request that was queued with an idempotency key */
export function asyncByIdempotency(
  db: Kysely<ControlTables>,
  idempotency: string,
): Promise<AsyncRequestRow | undefined> {
  return db
    .selectFrom('async_requests')
    .selectAll()
    .where('idempotency', '=', idempotency)
    .executeTakeFirst();
}

/** @returns how many requests a tenant has, and how many of them have not ended */
export async function countAsync(
  db: Kysely<ControlTables>,
  tenant: string,
): Promise<{ readonly open: number; readonly all: number }> {
  const rows = await db
    .selectFrom('async_requests')
    .select(['status', ({ fn }) => fn.countAll<number | string>().as('count')])
    .where('tenant', '=', tenant)
    .groupBy('status')
    .execute();
  let [open, all] = [0, 0];
  for (const { status, count } of rows) {
    all += Number(count);
    if (OPEN.includes(status)) open += Number(count);
  }
  return { open, all };
}

/** Adds a request. @returns false where one with its idempotency key exists */
export async function insertAsync(db: Kysely<ControlTables>, row: AsyncRequestRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('async_requests')
    .values(row)
    .onConflict((conflict) => conflict.column('idempotency').doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** Changes a request that has not ended. @returns the changed row; undefined for one that has */
export function changeAsync(
  db: Kysely<ControlTables>,
  id: string,
  change: Partial<Omit<AsyncRequestRow, 'id' | 'tenant'>>,
): Promise<AsyncRequestRow | undefined> {
  return db
    .updateTable('async_requests')
    .set(change)
    .where('id', '=', id)
    .where('status', 'in', OPEN)
    .returningAll()
    .executeTakeFirst();
}

/** Sets what the runs of a request have cost, also when it was cancelled meanwhile. */
export async function setAsyncCost(
  db: Kysely<ControlTables>,
  id: string,
  cost: string | null,
): Promise<void> {
  await db.updateTable('async_requests').set({ cost_pico: cost }).where('id', '=', id).execute();
}

/** @returns some requests that did not run in time */
export function overdueAsync(db: Kysely<ControlTables>, now: number): Promise<AsyncRequestRow[]> {
  return db
    .selectFrom('async_requests')
    .selectAll()
    .where('status', '=', 'pending')
    .where('deadline_at', '<=', now)
    .limit(ROWS)
    .execute();
}

/** Deletes requests whose time has passed, and those of tenants that are gone. @returns the deleted ones; not all */
export async function deleteOldAsync(
  db: Kysely<ControlTables>,
  now: number,
): Promise<Pick<AsyncRequestRow, 'id' | 'tenant'>[]> {
  const old = await db
    .selectFrom('async_requests')
    .select(['id', 'tenant'])
    .where(({ eb, or, selectFrom }) =>
      or([
        eb('delete_at', '<=', now),
        eb(
          'tenant',
          'not in',
          selectFrom('tenants').select('tenants.id').where('tenants.deleted_at', 'is', null),
        ),
      ]),
    )
    .limit(ROWS)
    .execute();
  const ids = old.map(({ id }) => id);
  if (ids.length > 0) await db.deleteFrom('async_requests').where('id', 'in', ids).execute();
  return old;
}

/** Stores a request's content, before the request is added. */
export async function insertContent(db: Kysely<TenantTables>, row: AsyncContentRow): Promise<void> {
  await db.insertInto('async_contents').values(row).execute();
}

/** @returns undefined where it was deleted */
export function contentById(db: Kysely<TenantTables>, id: string): Promise<AsyncContentRow | undefined> {
  return db.selectFrom('async_contents').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Stores a response; the first one counts. */
export async function storeResponse(
  db: Kysely<TenantTables>,
  id: string,
  response: Pick<
    AsyncContentRow,
    'response' | 'response_headers' | 'http_status' | 'error_code' | 'cost_pico'
  >,
): Promise<void> {
  await db
    .updateTable('async_contents')
    .set(response)
    .where('id', '=', id)
    .where('response', 'is', null)
    .execute();
}

/** Deletes contents, and those that are older than any request: a kill between two writes leaves them. */
export async function deleteContents(
  db: Kysely<TenantTables>,
  ids: readonly string[],
  createdBefore: number,
): Promise<void> {
  await db
    .deleteFrom('async_contents')
    .where(({ eb, or }) => or([eb('id', 'in', ids), eb('created_at', '<', createdBefore)]))
    .execute();
}
