import { type Kysely, sql } from 'kysely';
import { deleteSealed } from './audit-chain.ts';
import type { TenantTables } from './tenant-tables.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of one statement. */
const MINUTES_AT_ONCE = HOUR_MS;

/** Rows of one statement, so that no other write waits for long: they are long. */
const LONG_ROWS = 50;

/** Deletes a part of what is old. @returns the number of deleted items; 0 when nothing is left */
export type DeleteSome<Tables> = (db: Kysely<Tables>, before: number) => Promise<number>;

/**
 * Deletes batches whose last event is older.
 * @param archivedOnly true to keep those with events that no archive has
 * @returns a function that returns the number of their events in the database and batches without any
 */
export const deleteOldUsage =
  (archivedOnly: boolean): DeleteSome<TenantTables> =>
  async (db, before) => {
    const batches = await db
      .selectFrom('usage_batches')
      .select(['id', 'count', 'archived'])
      .where('last_at', '<', before)
      .$if(archivedOnly, (query) => query.whereRef('archived', '=', 'count'))
      .orderBy('first_at')
      .limit(LONG_ROWS)
      .execute();
    if (batches.length === 0) return 0;
    const ids = batches.map(({ id }) => id);
    await db.deleteFrom('usage_batches').where('id', 'in', ids).execute();
    await db.deleteFrom('usage_batch_index').where('batch', 'in', ids).execute();
    return batches.reduce((sum, { count, archived }) => sum + Math.max(1, count - archived), 0);
  };

const SUM_TABLES = ['usage_rollups', 'usage_tag_rollups', 'usage_client_rollups', 'usage_metrics'] as const;

/**
 * Deletes the sums of the oldest hour and of the oldest day that are entirely older. A day remains as long as one of its
 * hours, because reports subtract hours from days.
 */
export const deleteOldSums: DeleteSome<TenantTables> = async (db, before) => {
  let deleted = 0;
  for (const table of SUM_TABLES) {
    for (const [period, length] of [
      ['hour', HOUR_MS],
      ['day', DAY_MS],
    ] as const) {
      const hourLeft =
        period === 'day'
          ? sql`AND NOT EXISTS (SELECT 1 FROM ${sql.table(table)} WHERE period = 'hour' AND start <
              (SELECT min(start) + ${sql.lit(DAY_MS)} FROM ${sql.table(table)} WHERE period = 'day'))`
          : sql``;
      const { numAffectedRows } = await sql`
        DELETE FROM ${sql.table(table)} WHERE period = ${period} AND start <= ${before - length}
          AND start = (SELECT min(start) FROM ${sql.table(table)} WHERE period = ${period}) ${hourLeft}`.execute(
        db,
      );
      deleted += Number(numAffectedRows ?? 0n);
    }
  }
  const { numAffectedRows } = await sql`
    DELETE FROM usage_key_times WHERE start <= ${before - HOUR_MS}
      AND start = (SELECT min(start) FROM usage_key_times)`.execute(db);
  await db
    .deleteFrom('usage_days')
    .where('start', '<=', before - DAY_MS)
    .execute();
  return deleted + Number(numAffectedRows ?? 0n);
};

/** Deletes the sums of the oldest minutes, whose hours have sums of their own. @returns the number of rows */
export const deleteOldMinutes: DeleteSome<TenantTables> = async (db, before) => {
  const { numAffectedRows } = await sql`
    DELETE FROM usage_metrics WHERE period = 'minute' AND start < ${before} AND start < ${MINUTES_AT_ONCE} +
      (SELECT min(start) FROM usage_metrics WHERE period = 'minute')`.execute(db);
  return Number(numAffectedRows ?? 0n);
};

/** Deletes entries of an audit trail, by whole days (UTC): each part that is deleted leaves a seal. */
export const deleteOldAudit: DeleteSome<Pick<TenantTables, 'audit_log'>> = (db, before) =>
  db.transaction().execute((transaction) => deleteSealed(transaction, Math.floor(before / DAY_MS) * DAY_MS));

/** Deletes responses that are older, whatever their own expiry. */
export const deleteOldResponses: DeleteSome<TenantTables> = (db, before) =>
  deleteResponses(db, sql`created_at < ${before} ORDER BY created_at`);

/** Deletes responses that expired before. */
export const deleteExpiredResponses: DeleteSome<TenantTables> = (db, before) =>
  deleteResponses(db, sql`expires_at <= ${before} ORDER BY expires_at`);

async function deleteResponses(db: Kysely<TenantTables>, which: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM responses WHERE ${which} LIMIT ${sql.lit(LONG_ROWS)}`.execute(db);
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  await db.deleteFrom('response_items').where('response', 'in', ids).execute();
  const { numDeletedRows } = await db.deleteFrom('responses').where('id', 'in', ids).executeTakeFirst();
  return Number(numDeletedRows);
}
