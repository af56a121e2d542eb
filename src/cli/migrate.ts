import { databaseServers, dataFolder } from '../app/database-servers.ts';
import type { Config } from '../config/schema.ts';
import { connectControlDatabase } from '../storage/sql/control-database.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { pendingMigrations } from '../storage/sql/migrate.ts';
import { CONTROL_MIGRATIONS } from '../storage/sql/migrations/control.ts';
import { TENANT_MIGRATIONS } from '../storage/sql/migrations/tenant.ts';
import type { TenantTables } from '../storage/sql/tenant-tables.ts';
import type { KeyCommand } from './keys.ts';
import { CommandError } from './output.ts';
import { withStores } from './stores.ts';

interface Pending {
  /** `control`, or a tenant's id. */
  readonly database: string;
  readonly migrations: readonly string[];
}

/** Applies pending migrations to all databases, or with `plan` only lists them. */
export async function migrateCommand(command: KeyCommand, plan: boolean, json: boolean): Promise<void> {
  const { config, output } = command;
  const pending = await planOf(config, (error) =>
    output.err(`The database server closed an idle connection: ${String(error)}`),
  );
  const total = pending.reduce((sum, { migrations }) => sum + migrations.length, 0);
  if (!plan && total > 0) {
    output.err(`Migrating ${pending.length} database${pending.length === 1 ? '' : 's'} ...`);
    await withStores(config, command.env, output, async () => undefined);
  }
  if (json) {
    output.out(JSON.stringify({ applied: !plan, databases: pending }));
    return;
  }
  if (total === 0) {
    output.out(`All databases are up to date (${whereOf(config)}).`);
    return;
  }
  for (const { database, migrations } of pending) {
    output.out(`${plan ? 'would apply to' : 'applied to'} ${database}: ${migrations.join(', ')}`);
  }
  if (plan)
    output.out('No migration was applied. `weir migrate` applies them, and so does starting the gateway.');
}

function whereOf(config: Config): string {
  return /^sqlite:/i.test(config.storage.database_url) ? `SQLite in ${dataFolder(config)}` : 'PostgreSQL';
}

/** The pending migrations of every database. Changes and creates nothing. */
async function planOf(config: Config, onConnectionLost: (error: unknown) => void): Promise<Pending[]> {
  const servers = databaseServers(config, onConnectionLost);
  const main = servers.get('');
  if (!main) throw new CommandError('No database server is configured.');
  const everything = Object.keys(CONTROL_MIGRATIONS);
  if (main.backend === 'sqlite' && !(await main.exists('control'))) {
    return [{ database: 'control', migrations: everything }];
  }
  const control = await connectControlDatabase(main);
  try {
    const own = await pendingMigrations(control, CONTROL_MIGRATIONS);
    const found: Pending[] = own.length > 0 ? [{ database: 'control', migrations: own }] : [];
    const tables = await control.db.introspection.getTables();
    if (!tables.some(({ name }) => name === 'tenants')) return found;
    const tenants = await control.db
      .selectFrom('tenants')
      .select(['id', 'server', 'database'])
      .where('deleted_at', 'is', null)
      .orderBy('id')
      .execute();
    for (const { id, server, database } of tenants) {
      const migrations = await pendingOf(servers.get(server), database);
      if (migrations.length > 0) found.push({ database: id, migrations });
    }
    return found;
  } finally {
    await control.close();
  }
}

async function pendingOf(server: DatabaseServer | undefined, database: string): Promise<string[]> {
  if (!server)
    throw new CommandError(`The server of the database ${database} is not configured (storage.servers).`);
  if (!(await server.exists(database))) return Object.keys(TENANT_MIGRATIONS);
  const opened = await server.open<TenantTables>(database);
  try {
    return await pendingMigrations(opened, TENANT_MIGRATIONS);
  } finally {
    await opened.close();
  }
}
