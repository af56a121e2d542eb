import { type ExpressionBuilder, sql } from 'kysely';
import type { RequestFilter } from '../kept-request.ts';
import type { LoggedRow } from '../logged-request.ts';
import type { TenantScope } from '../tenant-scope.ts';
import type { TenantDatabase, TenantDatabases } from './tenant-databases.ts';
import type { TenantTables } from './tenant-tables.ts';

/** Rows of one INSERT. */
const BATCH = 50;
/** Rows of one DELETE: they are long. */
const DELETED_AT_ONCE = 100;

export interface LogQuery {
  /** Unix milliseconds: from inclusive, to exclusive. */
  readonly from: number;
  readonly to: number;
  /** Its `provider` and `tag` are not searched by here. */
  readonly filter: RequestFilter;
  /** Only rows after this one, newest first. */
  readonly after: { readonly at: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Whose rows are erased; at least one member is set. */
export interface ErasedRows {
  readonly user?: string | undefined;
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  /** Unix milliseconds: rows before this time. */
  readonly before?: number | undefined;
}

/** A data key of a tenant, sealed with the installation's secret. */
export interface SealedKey {
  readonly version: number;
  readonly sealed: string;
}

type Condition = ExpressionBuilder<TenantTables, 'request_log'>;

/**
 * The logged requests of each tenant, in its own database: sealed rows, and the keys that they are sealed with. Fails
 * closed with `UnknownTenantError` or the database's error.
 */
export class SqlRequestLogStore {
  constructor(private readonly databases: TenantDatabases) {}

  async put(scope: TenantScope, rows: readonly LoggedRow[]): Promise<void> {
    await this.databases.use(scope, (db) =>
      db.transaction().execute(async (transaction) => {
        const before = await takeNumbers(transaction, rows);
        for (let at = 0; at < rows.length; at += BATCH) {
          const values = rows.slice(at, at + BATCH).map((row, index) => ({
            sequence: before + at + index + 1,
            ...{ id: row.id, request_id: row.requestId, at: row.at, key_id: row.keyId, member: row.member },
            ...{ model: row.model, status: row.status, error: row.error, cost_pico: row.costPico },
            ...{ duration_ms: row.durationMs, bytes: row.sealed.length, key_version: row.keyVersion },
            sealed: row.sealed,
          }));
          await transaction.insertInto('request_log').values(values).execute();
        }
      }),
    );
  }

  /** @returns rows that match, newest first */
  list(scope: TenantScope, { from, to, filter, after, limit }: LogQuery): Promise<LoggedRow[]> {
    const { id, user, key, model, status, error, minCostPico, maxCostPico, minDurationMs } = filter;
    return this.databases.read(scope, async (db) => {
      const rows = await db
        .selectFrom('request_log')
        .selectAll()
        .where('at', '>=', from)
        .where('at', '<', to)
        .where(({ eb, and, or }: Condition) =>
          and([
            ...(after
              ? [or([eb('at', '<', after.at), and([eb('at', '=', after.at), eb('id', '<', after.id)])])]
              : []),
            ...(id === undefined ? [] : [eb('request_id', '=', id)]),
            ...(user === undefined ? [] : [eb('member', '=', user)]),
            ...(key === undefined ? [] : [eb('key_id', '=', key)]),
            ...(model === undefined ? [] : [eb('model', '=', model)]),
            ...(error === undefined ? [] : [eb('error', '=', error)]),
            ...(status === undefined ? [] : [eb('status', '>=', status < 10 ? status * 100 : status)]),
            ...(status === undefined ? [] : [eb('status', '<=', status < 10 ? status * 100 + 99 : status)]),
            ...(minCostPico === undefined ? [] : [eb('cost_pico', '>=', minCostPico)]),
            ...(maxCostPico === undefined ? [] : [eb('cost_pico', '<=', maxCostPico)]),
            ...(minDurationMs === undefined ? [] : [eb('duration_ms', '>=', minDurationMs)]),
          ]),
        )
        .orderBy('at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        ...{
          id: row.id,
          requestId: row.request_id,
          at: Number(row.at),
          keyId: row.key_id,
          member: row.member,
        },
        ...{ model: row.model, status: row.status, error: row.error, durationMs: Number(row.duration_ms) },
        costPico: row.cost_pico === null ? null : Number(row.cost_pico),
        ...{ keyVersion: row.key_version, sealed: row.sealed },
      }));
    });
  }

  /** @returns how many rows there are of some, and how many bytes */
  count(scope: TenantScope, wanted: ErasedRows): Promise<{ readonly rows: number; readonly bytes: number }> {
    return this.databases.use(scope, async (db) => {
      const { rows, bytes } = await db
        .selectFrom('request_log')
        .select(({ fn }) => [fn.countAll().as('rows'), fn.sum('bytes').as('bytes')])
        .where((condition: Condition) => erased(condition, wanted))
        .executeTakeFirstOrThrow();
      return { rows: Number(rows), bytes: Number(bytes ?? 0) };
    });
  }

  /** Deletes some rows, a few at a time. @returns their number */
  async erase(scope: TenantScope, wanted: ErasedRows): Promise<number> {
    for (let deleted = 0; ; ) {
      const count = await this.databases.use(scope, (db) => eraseSome(db, wanted));
      if (count === 0) return deleted;
      deleted += count;
    }
  }

  /** @returns the keys, the newest first */
  keys(scope: TenantScope): Promise<SealedKey[]> {
    return this.databases.use(scope, (db) =>
      db.selectFrom('request_log_keys').select(['version', 'sealed']).orderBy('version', 'desc').execute(),
    );
  }

  /** Adds a key. @returns false when another gateway has added this version */
  async addKey(scope: TenantScope, { version, sealed }: SealedKey, createdAt: number): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await this.databases.use(scope, (db) =>
      db
        .insertInto('request_log_keys')
        .values({ version, sealed, created_at: createdAt })
        .onConflict((conflict) => conflict.column('version').doNothing())
        .executeTakeFirst(),
    );
    return numInsertedOrUpdatedRows !== 0n;
  }
}

/**
 * Takes numbers for rows. The row of the head stays locked until the transaction ends, so that numbers rise in the order of
 * commits. They are at least the time of the rows, so that they also rise after a restored backup.
 * @returns the number before the first one
 */
async function takeNumbers(db: TenantDatabase, rows: readonly LoggedRow[]): Promise<number> {
  const count = rows.length;
  const time = rows.reduce((latest, { at }) => Math.max(latest, at), 0);
  const { sequence } = await db
    .insertInto('request_log_head')
    .values({ id: 1, sequence: time + count })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({
        sequence: sql<number>`CASE WHEN request_log_head.sequence < ${time} THEN ${time} ELSE request_log_head.sequence END + ${count}`,
      }),
    )
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return Number(sequence) - count;
}

function erased({ eb, and }: Condition, { user, key, requestId, before }: ErasedRows) {
  return and([
    ...(user === undefined ? [] : [eb('member', '=', user)]),
    ...(key === undefined ? [] : [eb('key_id', '=', key)]),
    ...(requestId === undefined ? [] : [eb('request_id', '=', requestId)]),
    ...(before === undefined ? [] : [eb('at', '<', before)]),
  ]);
}

async function eraseSome(db: TenantDatabase, wanted: ErasedRows): Promise<number> {
  const found = await db
    .selectFrom('request_log')
    .select('id')
    .where((condition: Condition) => erased(condition, wanted))
    .limit(DELETED_AT_ONCE)
    .execute();
  return deleteRows(
    db,
    found.map(({ id }) => id),
  );
}

async function deleteRows(db: TenantDatabase, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { numDeletedRows } = await db
    .deleteFrom('request_log')
    .where('id', 'in', [...ids])
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Deletes rows that are older. @returns the number of deleted rows; 0 when none is left */
export function deleteOldLog(db: TenantDatabase, before: number): Promise<number> {
  return eraseSome(db, { before });
}

/** Deletes some of the oldest rows while all of them have more bytes than allowed. @returns as `deleteOldLog` */
export async function deleteLargeLog(db: TenantDatabase, maxBytes: number): Promise<number> {
  const { bytes } = await db
    .selectFrom('request_log')
    .select(({ fn }) => fn.sum('bytes').as('bytes'))
    .executeTakeFirstOrThrow();
  let over = Number(bytes ?? 0) - maxBytes;
  if (over <= 0) return 0;
  const oldest = await db
    .selectFrom('request_log')
    .select(['id', 'bytes'])
    .orderBy('at')
    .limit(DELETED_AT_ONCE)
    .execute();
  const ids: string[] = [];
  for (const row of oldest) {
    if (over <= 0) break;
    over -= row.bytes;
    ids.push(row.id);
  }
  return deleteRows(db, ids);
}

/** Deletes keys that no row is sealed with, but for the newest: what they sealed cannot be read any more, not even in backups. */
export async function deleteUnusedKeys(db: TenantDatabase): Promise<number> {
  const { numAffectedRows } = await sql`
    DELETE FROM request_log_keys WHERE version < (SELECT max(version) FROM request_log_keys)
      AND version NOT IN (SELECT key_version FROM request_log)`.execute(db);
  return Number(numAffectedRows ?? 0n);
}
