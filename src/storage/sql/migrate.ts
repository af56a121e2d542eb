import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import type { OpenDatabase } from './database-server.ts';

/** Migrations by name, applied once each in the order of their names. Never edit a released one: add another. */
export type Migrations = Readonly<Record<string, Migration>>;

const MIGRATION_TABLE = 'kysely_migration';

/** @returns names of the migrations that a database lacks, in order */
export async function pendingMigrations<Tables>(
  { db }: OpenDatabase<Tables>,
  migrations: Migrations,
): Promise<string[]> {
  const applied = new Set(await appliedMigrations(db));
  return Object.keys(migrations)
    .sort()
    .filter((name) => !applied.has(name));
}

/**
 * Applies the missing migrations, in one process at a time. A database that a newer version has migrated is accepted:
 * migrations only add, so old and new replicas can run together during an update.
 *
 * @returns names of the applied migrations
 * @throws the error of a failed migration
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
    if (error) throw error;
    return (results ?? []).map(({ migrationName }) => migrationName);
  });
}

async function appliedMigrations<Tables>(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === MIGRATION_TABLE)) return [];
  const { rows } = await sql<{ name: string }>`SELECT name FROM ${sql.table(MIGRATION_TABLE)}`.execute(db);
  return rows.map(({ name }) => name);
}
