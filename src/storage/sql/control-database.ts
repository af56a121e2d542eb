import { type Kysely, sql, type Transaction } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import { unavailable } from './database-errors.ts';
import { CONTROL_DATABASE, type DatabaseServer, type OpenDatabase } from './database-server.ts';
import { migrate } from './migrate.ts';
import { CONTROL_MIGRATIONS } from './migrations/control.ts';
import { PostgresServer } from './postgres-server.ts';

export type ControlDatabase = OpenDatabase<ControlTables>;
export type ControlTransaction = Transaction<ControlTables>;

/** Connections of the control database's pool. */
export const CONTROL_CONNECTIONS = 4;

/**
 * Opens the control database without migrating it: the file `control.sqlite`, or the database that the server's URL names.
 */
export async function connectControlDatabase(server: DatabaseServer): Promise<ControlDatabase> {
  return server instanceof PostgresServer
    ? server.openOwn(CONTROL_CONNECTIONS)
    : server.open(CONTROL_DATABASE);
}

/** Opens the control database and migrates it. @throws DatabaseUnavailableError when its server is unreachable */
export async function openControlDatabase(server: DatabaseServer): Promise<ControlDatabase> {
  const database = await connectControlDatabase(server);
  try {
    await migrate(database, CONTROL_MIGRATIONS);
  } catch (error) {
    await database.close();
    throw unavailable(error);
  }
  return database;
}

/**
 * Runs a change that every replica has to read, in a transaction with the next revision. Changes run one after another,
 * because each updates the single revision row: revisions become visible in order.
 *
 * @param work receives the transaction and the revision to write into changed rows
 * @returns what `work` returns
 * @throws what `work` throws; nothing is changed then
 */
export function change<T>(
  db: Kysely<ControlTables>,
  work: (transaction: ControlTransaction, revision: number) => Promise<T>,
): Promise<T> {
  return db.transaction().execute(async (transaction) => {
    const { value } = await transaction
      .insertInto('revision')
      .values({ id: 1, value: 1 })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ value: sql`revision.value + 1` }))
      .returning('value')
      .executeTakeFirstOrThrow();
    return work(transaction, value);
  });
}

/** @returns the revision of the last change; 0 before the first */
export async function currentRevision(db: Kysely<ControlTables>): Promise<number> {
  const row = await db.selectFrom('revision').select('value').executeTakeFirst();
  return row?.value ?? 0;
}
