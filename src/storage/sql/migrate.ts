import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import { DatabaseMissingError, MigrationFailedError, unavailable } from './database-errors.ts';
import type { Migrations } from './database-schema.ts';
import type { OpenDatabase } from './database-server.ts';

const MIGRATION_TABLE = 'kysely_migration';

/** @returns names of the migrations that a database lacks, in order */
export async function pendingMigrations<Tables>(
  { db }: Pick<OpenDatabase<Tables>, 'db'>,
  migrations: Migrations,
): Promise<string[]> {
  return missingOf(migrations, await appliedMigrations(db));
}

function missingOf(migrations: Migrations, applied: readonly string[]): string[] {
  return Object.keys(migrations)
    .sort()
    .filter((name) => !applied.includes(name));
}

/** Thrown for a database that should have tables. */
const EMPTY = 'it has no tables';

/**
 * Applies the missing migrations of a database that has been migrated before; see {@link migrate}.
 * @throws DatabaseMissingError when the database is empty: it lost its data, and must not become a new one
 */
export async function migrateExisting<Tables>(
  database: OpenDatabase<Tables>,
  migrations: Migrations,
): Promise<string[]> {
  const applied = await appliedMigrations(database.db);
  if (applied.length === 0) throw new DatabaseMissingError(EMPTY);
  return missingOf(migrations, applied).length === 0 ? [] : migrate(database, migrations);
}

/**
 * Applies the missing migrations, in one process at a time. A database that a newer version has migrated is accepted:
 * migrations only add, so old and new replicas can run together during an update.
 *
 * @returns names of the applied migrations
 * @throws MigrationFailedError, after which the database is as before; the database's error when it is unavailable
 */
export async function migrate<Tables>(
  database: OpenDatabase<Tables>,
  migrations: Migrations,
): Promise<string[]> {
  if ((await pendingMigrations(database, migrations)).length === 0) return [];
  return database.exclusively(async () => {
    const { db } = database;
    const newer = (await appliedMigrations(db)).filter((name) => !Object.hasOwn(migrations, name));
    const known: Record<string, Migration> = { ...migrations };
    for (const name of newer) known[name] = { up: async () => undefined };
    const migrator = new Migrator({
      db,
      provider: { getMigrations: async () => known },
      migrationTableName: MIGRATION_TABLE,
      // A newer version's migration may precede one that this version has yet to apply.
      allowUnorderedMigrations: true,
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error) {
      const failed = results?.find(({ status }) => status === 'Error');
      // What an operator has to remove has a message of its own.
      const isDefect = unavailable(error) === error;
      throw failed && isDefect ? new MigrationFailedError(failed.migrationName, error) : error;
    }
    return (results ?? []).map(({ migrationName }) => migrationName);
  });
}

/** @returns names of the migrations that a database has; empty for an empty database */
export async function appliedMigrations<Tables>(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === MIGRATION_TABLE)) return [];
  const { rows } = await sql<{ name: string }>`SELECT name FROM ${sql.table(MIGRATION_TABLE)}`.execute(db);
  return rows.map(({ name }) => name);
}

/** Records migrations whose tables exist already, such as those of a dump; what was recorded before is dropped. */
export async function recordMigrations<Tables>(db: Kysely<Tables>, names: readonly string[]): Promise<void> {
  await db.schema.dropTable(MIGRATION_TABLE).ifExists().execute();
  // As the migrator creates it.
  await db.schema
    .createTable(MIGRATION_TABLE)
    .addColumn('name', 'varchar(255)', (column) => column.notNull().primaryKey())
    .addColumn('timestamp', 'varchar(255)', (column) => column.notNull())
    .execute();
  for (const name of names) {
    // The migrator sorts by time, then by name.
    await sql`INSERT INTO ${sql.table(MIGRATION_TABLE)} (name, timestamp) VALUES (${name}, ${''})`.execute(
      db,
    );
  }
}
