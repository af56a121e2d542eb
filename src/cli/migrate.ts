import { dataFolder } from '../app/database-servers.ts';
import { inspectStores } from '../app/store-inspection.ts';
import type { Config } from '../config/schema.ts';
import { CommandError, type StoreCommand } from './output.ts';
import { withStores } from './stores.ts';

/** Applies pending migrations to all databases, or with `plan` only lists them. */
export async function migrateCommand(command: StoreCommand, plan: boolean, json: boolean): Promise<void> {
  const { config, output } = command;
  const { pending, missing } = await inspectStores(config, (error) =>
    output.err(`The database server closed an idle connection: ${String(error)}`),
  );
  if (missing.length > 0) {
    throw new CommandError(
      `The databases of these tenants are missing: ${missing.join(', ')}. Restore them from the same backup as the control database (docs/operations.md).`,
    );
  }
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
