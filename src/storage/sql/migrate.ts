import { type Kysely, type Migration, Migrator, sql } from 'kysely';
import type { OpenDatabase } from './database-server.ts';

/** Applied in the order of their names, each once. Never edit one that has been released: add another. */
export type Migrations = Readonly<Record<string, Migration>>;

const MIGRATION_TABLE = 'kysely_migration';

/** The migrations that a database still lacks, in order. */
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
 * Brings a database's tables up to date, one process at a time. A database that a newer version has already changed is
 * left as it is: migrations only add, so that old and new replicas work side by side while one replaces the other.
 * @returns the migrations that were applied
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
      // What a newer version has added may stand before what this one still has to.
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
