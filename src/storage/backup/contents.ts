import { type Kysely, sql } from 'kysely';
import { connectControlDatabase } from '../sql/control-database.ts';
import type { ControlTables } from '../sql/control-tables.ts';
import { DatabaseMissingError } from '../sql/database-errors.ts';
import { CONTROL_DATABASE, type DatabaseServer } from '../sql/database-server.ts';
import { appliedMigrations } from '../sql/migrate.ts';
import type { TenantTables } from '../sql/tenant-tables.ts';

/** Location of a tenant's database. */
export interface TenantPlace {
  readonly id: string;
  /** Id of the server; empty for the default one. */
  readonly server: string;
  readonly database: string;
}

/** The parts of a control database that a backup depends on. */
export interface ControlContents {
  readonly migrations: readonly string[];
  /** All that are not deleted, by id. */
  readonly tenants: readonly TenantPlace[];
  /** Undefined where WEIR_SECRET was set at the first start already. */
  readonly storedSecret: string | undefined;
}

/** Migration that created the tables of tenants and settings. */
const TENANTS_MIGRATION = '0003_tenants';

/** @throws DatabaseMissingError when Weir has never started on the database */
export async function readControl(db: Kysely<ControlTables>): Promise<ControlContents> {
  const migrations = await appliedMigrations(db);
  if (!migrations.includes(TENANTS_MIGRATION)) {
    throw new DatabaseMissingError('Weir has not started on the control database yet');
  }
  const secret = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'secret')
    .executeTakeFirst();
  return { migrations, tenants: await tenantsOf(db), storedSecret: secret?.value };
}

/** @throws DatabaseMissingError for an empty database */
export async function readTenant(
  db: Kysely<TenantTables>,
): Promise<{ readonly migrations: readonly string[] }> {
  const migrations = await appliedMigrations(db);
  if (migrations.length === 0) throw new DatabaseMissingError('it has no tables');
  return { migrations };
}

/** @returns the tenants of an installation; undefined where Weir has never started */
export async function existingTenants(server: DatabaseServer): Promise<TenantPlace[] | undefined> {
  if (!(await server.exists(CONTROL_DATABASE))) return undefined;
  const control = await connectControlDatabase(server);
  try {
    const migrations = await appliedMigrations(control.db);
    return migrations.includes(TENANTS_MIGRATION) ? await tenantsOf(control.db) : undefined;
  } finally {
    await control.close();
  }
}

/** Whether the tenant still exists, with its data in that database. */
export async function isCurrentTenant(
  server: DatabaseServer,
  { id, database }: TenantPlace,
): Promise<boolean> {
  const tenants = await existingTenants(server);
  return tenants?.some((one) => one.id === id && one.database === database) ?? false;
}

async function tenantsOf(db: Kysely<ControlTables>): Promise<TenantPlace[]> {
  return db
    .selectFrom('tenants')
    .select(['id', 'server', 'database'])
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
}

/** Points restored tenants to their new databases, and marks those without data as deleted. */
export async function relocateTenants(
  db: Kysely<ControlTables>,
  databases: ReadonlyMap<string, string>,
  deleted: readonly string[],
  now: number,
): Promise<void> {
  const { value: revision } = await db
    .insertInto('revision')
    .values({ id: 1, value: 1 })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ value: sql`revision.value + 1` }))
    .returning('value')
    .executeTakeFirstOrThrow();
  for (const [id, database] of databases) {
    await db.updateTable('tenants').set({ database, revision }).where('id', '=', id).execute();
  }
  for (const id of deleted) {
    await db
      .updateTable('tenants')
      .set({ deleted_at: now, updated_at: now, revision })
      .where('id', '=', id)
      .execute();
    for (const table of ['key_index', 'member_index'] as const) {
      await db
        .updateTable(table)
        .set({ deleted: 1, version: 0, revision })
        .where('tenant', '=', id)
        .execute();
    }
  }
}

/**
 * Lets the next start copy the keys and members that have changed since a time to the control database's index, which was
 * saved before them and may lack those changes.
 * @param since Unix milliseconds
 */
export async function republishAccess(db: Kysely<TenantTables>, since: number): Promise<void> {
  for (const [topic, table] of [
    ['key', 'api_keys'],
    ['member', 'members'],
  ] as const) {
    await sql`
      INSERT INTO outbox (id, topic, subject, created_at)
      SELECT ${`out_restored_${topic}_`} || id, ${topic}, id, updated_at FROM ${sql.table(table)}
      WHERE updated_at >= ${since}
      ON CONFLICT (id) DO NOTHING`.execute(db);
  }
}
