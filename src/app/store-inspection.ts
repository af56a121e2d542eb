import { type Kysely, sql } from 'kysely';
import type { Config } from '../config/schema.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { unavailable } from '../storage/sql/database-errors.ts';
import { CONTROL_DATABASE, type DatabaseServer } from '../storage/sql/database-server.ts';
import { pendingMigrations } from '../storage/sql/migrate.ts';
import { CONTROL_MIGRATIONS } from '../storage/sql/migrations/control.ts';
import { TENANT_MIGRATIONS } from '../storage/sql/migrations/tenant.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import { runningGateway } from './data-folder.ts';
import { databaseServers } from './database-servers.ts';

export interface PendingMigrations {
  /** `control`, or a tenant's id. */
  readonly database: string;
  readonly migrations: readonly string[];
}

/** The state of the databases, as reading alone shows it. */
export interface StoreInspection {
  readonly backend: DatabaseServer['backend'];
  /** Whether a gateway or command has created the tables. */
  readonly isInitialised: boolean;
  /** Number of tenants that are not deleted. */
  readonly tenants: number;
  readonly pending: readonly PendingMigrations[];
  /** Ids of tenants whose database does not exist. */
  readonly missing: readonly string[];
  /** Whether Weir's user may create databases, for tenants. */
  readonly mayCreateDatabases: boolean;
  /** Whether Weir's user may create tables in the control database. */
  readonly mayCreateTables: boolean;
}

/**
 * Reads the state of all databases. Creates, changes and migrates nothing, and works beside a running gateway.
 * @throws Error when a database is unreachable or damaged
 */
export async function inspectStores(
  config: Config,
  onConnectionLost: (error: unknown) => void,
): Promise<StoreInspection> {
  const servers = databaseServers(config, onConnectionLost);
  const main = servers.get('');
  if (!main) throw new Error('no default database server');
  const inUse = runningGateway(config) !== undefined;
  const empty: StoreInspection = {
    backend: main.backend,
    isInitialised: false,
    tenants: 0,
    pending: [{ database: CONTROL_DATABASE, migrations: Object.keys(CONTROL_MIGRATIONS) }],
    missing: [],
    ...SQLITE_PERMISSIONS,
  };
  if (main.backend === 'sqlite' && !(await main.exists(CONTROL_DATABASE))) return empty;
  const control = await main.openReadOnly<ControlTables>(CONTROL_DATABASE, inUse);
  try {
    const permissions = main.backend === 'sqlite' ? SQLITE_PERMISSIONS : await permissionsOf(control.db);
    const tables = await control.db.introspection.getTables();
    if (!tables.some(({ name }) => name === 'tenants')) return { ...empty, ...permissions };
    const own = await pendingMigrations(control, CONTROL_MIGRATIONS);
    const pending: PendingMigrations[] =
      own.length > 0 ? [{ database: CONTROL_DATABASE, migrations: own }] : [];
    const missing: string[] = [];
    const tenants = await control.db
      .selectFrom('tenants')
      .select(['id', 'server', 'database'])
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .execute();
    for (const { id, server, database } of tenants) {
      const migrations = await pendingOf(servers.get(server), database, inUse);
      if (migrations === undefined) missing.push(id);
      else if (migrations.length > 0) pending.push({ database: id, migrations });
    }
    return {
      ...{ backend: main.backend, isInitialised: true, tenants: tenants.length },
      ...{ pending, missing, ...permissions },
    };
  } catch (error) {
    throw unavailable(error);
  } finally {
    await control.close();
  }
}

/** @returns undefined when the database does not exist */
async function pendingOf(
  server: DatabaseServer | undefined,
  database: string,
  inUse: boolean,
): Promise<string[] | undefined> {
  if (!server) throw new Error(`The server of the database ${database} is not configured (storage.servers).`);
  if (!(await server.exists(database))) return undefined;
  const opened = await server.openReadOnly<TenantTables>(database, inUse);
  try {
    return await pendingMigrations(opened, TENANT_MIGRATIONS);
  } finally {
    await opened.close();
  }
}

type Permissions = Pick<StoreInspection, 'mayCreateDatabases' | 'mayCreateTables'>;

/** Permissions on files are checked with the folder. */
const SQLITE_PERMISSIONS: Permissions = { mayCreateDatabases: true, mayCreateTables: true };

async function permissionsOf(db: Kysely<ControlTables>): Promise<Permissions> {
  const { rows } = await sql<{ databases: boolean; tables: boolean | null }>`
    SELECT rolcreatedb OR rolsuper AS databases, has_schema_privilege(current_schema(), 'CREATE') AS tables
    FROM pg_roles WHERE rolname = current_user`.execute(db);
  return { mayCreateDatabases: rows[0]?.databases === true, mayCreateTables: rows[0]?.tables === true };
}
