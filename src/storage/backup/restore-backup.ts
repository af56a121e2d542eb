import { randomBytes } from 'node:crypto';
import type { ControlTables } from '../sql/control-tables.ts';
import { assertKnownMigrations, NewerDatabaseError } from '../sql/database-schema.ts';
import { CONTROL_DATABASE, type DatabaseServer } from '../sql/database-server.ts';
import { CONTROL_SCHEMA, TENANT_SCHEMA } from '../sql/schemas.ts';
import { tenantDatabaseName } from '../sql/tenant-databases.ts';
import type { TenantTables } from '../sql/tenant-tables.ts';
import { existingTenants, relocateTenants, republishAccess, type TenantPlace } from './contents.ts';
import type { BackupProgress } from './create-backup.ts';
import { BackupError, secretCheck } from './manifest.ts';
import type { BackupSource, RestorableBackup, RestorableDatabase } from './source.ts';

export interface RestoreOptions {
  readonly source: BackupSource;
  /** Replaces the data that exists. */
  readonly force: boolean;
  /** Restores also where the backup's secret is not available, which makes its keys and sessions invalid. */
  readonly acceptOtherSecret: boolean;
  /** By id; the default one has the id ''. */
  readonly servers: ReadonlyMap<string, DatabaseServer>;
  /** WEIR_SECRET; undefined when it is not set. */
  readonly secret: string | undefined;
  readonly now: () => Date;
  /** Called for each checked file, then for each restored database. */
  readonly onProgress: (step: 'check' | 'restore', progress: BackupProgress) => void;
  /** The pending usage that the next start stores. */
  readonly journal: {
    add(name: string, content: Uint8Array): void;
    remove(name: string): void;
  };
}

/** A backup that is checked and fits the configuration. */
export interface RestorePlan {
  readonly manifest: RestorableBackup;
  /** Tenants whose data the restore deletes. */
  readonly replaced: readonly TenantPlace[];
  /** True when the restore replaces an installation. */
  readonly replaces: boolean;
}

/** How much earlier than the backup's start a change is copied again: clocks of gateways may differ. Milliseconds. */
const CLOCK_SKEW_MS = 3_600_000;

/**
 * Checks a backup, the configuration and the databases that a restore would replace. Changes nothing.
 * @throws BackupError that says why the backup cannot be restored
 */
export async function planRestore(options: RestoreOptions): Promise<RestorePlan> {
  const { source, servers, onProgress } = options;
  const manifest = await source.check((progress) => onProgress('check', progress));
  for (const database of manifest.databases) assertRestorable(database, servers);
  if (manifest.databases.filter(({ tenant }) => tenant === null).length !== 1) {
    throw new BackupError(`The backup in ${source.location} does not contain the control database.`);
  }
  assertSecret(manifest, options);
  const main = serverOf(servers, '');
  if ((await main.exists(CONTROL_DATABASE)) && (await main.isInUse(CONTROL_DATABASE))) {
    throw new BackupError('A gateway is using the databases. Stop all gateways, then restore.');
  }
  const existing = await existingTenants(main);
  if (existing && !options.force) {
    throw new BackupError(
      `There is data already: ${existing.length} tenants. Add --force to delete it and restore the backup.`,
    );
  }
  return { manifest, replaced: existing ?? [], replaces: existing !== undefined };
}

/**
 * Restores a backup. Tenants' databases are created under new names, and the control database, which refers to them, is
 * replaced last and at once: until then the existing data stays in force, and a failed restore changes nothing.
 *
 * @returns databases of replaced tenants that could not be deleted
 * @throws BackupError, or the database's error
 */
export async function restoreBackup(options: RestoreOptions, plan: RestorePlan): Promise<TenantPlace[]> {
  const { source, servers, onProgress, now, journal } = options;
  const { manifest, replaced } = plan;
  const main = serverOf(servers, '');
  const since = Date.parse(manifest.created_at) - CLOCK_SKEW_MS;
  const restored = new Map<string, string>();
  const created: TenantPlace[] = [];
  const pending: string[] = [];
  let done = 0;
  let bytes = 0;
  const restoredOne = (file: RestorableDatabase) => {
    done += 1;
    bytes += file.bytes;
    onProgress('restore', { done, total: manifest.databases.length, bytes });
  };
  try {
    for (const saved of manifest.databases) {
      if (saved.tenant === null) continue;
      const database = tenantDatabaseName(saved.tenant, randomBytes(5).toString('hex'));
      created.push({ id: saved.tenant, server: saved.server, database });
      const server = serverOf(servers, saved.server);
      await source.load<TenantTables>(saved, { server, database, schema: TENANT_SCHEMA }, (db) =>
        republishAccess(db, since),
      );
      restored.set(saved.tenant, database);
      restoredOne(saved);
    }
    for await (const { name, content } of source.journal()) {
      pending.push(name);
      journal.add(name, content);
    }
    for (const saved of manifest.databases) {
      if (saved.tenant !== null) continue;
      const target = { server: main, database: CONTROL_DATABASE, schema: CONTROL_SCHEMA };
      await source.load<ControlTables>(saved, target, async (db) => {
        await relocateTenants(db, restored, manifest.deleted_tenants, now().getTime());
        // Keys that no secret at hand opens, and the id of the secret before, would stop the start.
        if (options.acceptOtherSecret)
          await db.deleteFrom('settings').where('name', 'in', ['key_ring', 'secret_id']).execute();
      });
      restoredOne(saved);
    }
  } catch (error) {
    for (const name of pending) journal.remove(name);
    await dropAll(servers, created);
    throw error;
  }
  return dropAll(servers, replaced);
}

/** Deletes databases. @returns those that could not be deleted */
async function dropAll(
  servers: ReadonlyMap<string, DatabaseServer>,
  places: readonly TenantPlace[],
): Promise<TenantPlace[]> {
  const left: TenantPlace[] = [];
  for (const place of places) {
    try {
      await servers.get(place.server)?.drop(place.database);
    } catch {
      // The caller reports it; a failure to clean up must not hide the result.
      left.push(place);
    }
  }
  return left;
}

function serverOf(servers: ReadonlyMap<string, DatabaseServer>, id: string): DatabaseServer {
  const server = servers.get(id);
  if (server) return server;
  throw new BackupError(
    `The backup has tenants on the database server "${id}", which is not configured. Add it to storage.servers.`,
  );
}

function assertRestorable(
  { tenant, server: id, backend, migrations, file, isPortable }: RestorableDatabase,
  servers: ReadonlyMap<string, DatabaseServer>,
): void {
  const server = serverOf(servers, id);
  if (server.backend !== backend && !isPortable) {
    const names = { sqlite: 'SQLite', postgres: 'PostgreSQL' };
    const which = id === '' ? 'storage.database_url' : `the database server "${id}"`;
    throw new BackupError(
      `The backup was made on ${names[backend]}, and ${which} is ${names[server.backend]}. Restore it on ${names[backend]}.`,
    );
  }
  try {
    assertKnownMigrations(tenant === null ? CONTROL_SCHEMA : TENANT_SCHEMA, migrations);
  } catch (error) {
    if (!(error instanceof NewerDatabaseError)) throw error;
    throw new BackupError(`${file} cannot be restored. ${error.message}`, { cause: error });
  }
}

/** Checks that keys of the backup will be valid: they are hashed with the secret. */
function assertSecret({ secret }: RestorableBackup, options: RestoreOptions): void {
  if (options.acceptOtherSecret) return;
  if (secret.source === 'environment' && options.secret === undefined) {
    throw new BackupError(
      'The backup does not contain the secret that protects its keys: set WEIR_SECRET as it was set when the backup was made. Without it, all keys, sessions and invitations are invalid; --ignore-secret restores the rest.',
    );
  }
  if (options.secret !== undefined && secretCheck(options.secret) !== secret.check) {
    throw new BackupError(
      secret.source === 'environment'
        ? 'WEIR_SECRET differs from the one that the backup was made with: its keys, sessions and invitations would be invalid. Set the same one; --ignore-secret restores the rest.'
        : 'The backup contains its secret, and WEIR_SECRET is set to another one: all keys, sessions and invitations would be invalid. Unset WEIR_SECRET; --ignore-secret restores the rest.',
    );
  }
}
