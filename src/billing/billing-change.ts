import type { Kysely } from 'kysely';
import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';

/**
 * Runs a change in a transaction that begins with a write: SQLite cannot turn a transaction that has read into one that
 * writes when another process has written in between.
 *
 * @returns what `work` returns
 * @throws what `work` throws; nothing is changed then
 */
export function billingChange<T>(
  control: Kysely<ControlTables>,
  work: (transaction: ControlTransaction) => Promise<T>,
): Promise<T> {
  return control.transaction().execute(async (transaction) => {
    await transaction.updateTable('billing_series').set({ last: 0 }).where('name', '=', '').execute();
    return work(transaction);
  });
}
