import { SqliteAdapter, sql, type Transaction } from 'kysely';

/** What is limited by the number or size of its rows. */
export type RowQuota =
  | 'alert_receivers'
  | 'alert_rules'
  | 'alert_silences'
  | 'async_requests'
  | 'batches'
  | 'files'
  | 'report_schedules'
  | 'webhooks';

/**
 * Makes transactions that count the rows of an owner and add one run one after another, until they commit. Without it,
 * parallel ones do not see each other's rows on PostgreSQL, and pass the quota together. Call it before the first statement.
 * SQLite has one writer.
 * @param owner id of a tenant; empty for the platform
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function lockQuota<Tables>(
  transaction: Transaction<Tables>,
  quota: RowQuota,
  owner: string,
): Promise<void> {
  if (transaction.getExecutor().adapter instanceof SqliteAdapter) return;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`weir quota ${quota} ${owner}`}, 0))`.execute(
    transaction,
  );
}
