import { type Kysely, sql, type Transaction } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import type { DatabaseServer, OpenDatabase } from './database-server.ts';
import { migrate } from './migrate.ts';
import { CONTROL_MIGRATIONS } from './migrations/control.ts';
import { PostgresServer, unavailable } from './postgres-server.ts';

export type ControlDatabase = OpenDatabase<ControlTables>;
export type ControlTransaction = Transaction<ControlTables>;

const FILE = 'control';
/** Of the control database's own pool. */
export const CONTROL_CONNECTIONS = 4;

/** Opens the control database as it is: the file `control.sqlite`, or the database that the server's URL names. */
export async function connectControlDatabase(server: DatabaseServer): Promise<ControlDatabase> {
  return server instanceof PostgresServer ? server.openOwn(CONTROL_CONNECTIONS) : server.open(FILE);
}

/** Opens the control database and brings its tables up to date. */
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
 * A change that every replica has to hear of. Its revision is higher than all that were given before, and is seen by
 * others no earlier than theirs: whoever changes the row next waits until this change has been made or given up.
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

/** Of the last change. */
export async function currentRevision(db: Kysely<ControlTables>): Promise<number> {
  const row = await db.selectFrom('revision').select('value').executeTakeFirst();
  return row?.value ?? 0;
}
