import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Kysely } from 'kysely';
import { syncToDisk } from '../../platform/file-sync.ts';
import { codeOf, diskFault } from '../disk-errors.ts';
import { DatabaseMissingError } from '../sql/database-errors.ts';
import { assertKnownMigrations, type DatabaseSchema } from '../sql/database-schema.ts';
import { CONTROL_DATABASE, type DatabaseServer } from '../sql/database-server.ts';
import { CONTROL_SCHEMA, TENANT_SCHEMA } from '../sql/schemas.ts';
import {
  type ControlContents,
  isCurrentTenant,
  readControl,
  readTenant,
  type TenantPlace,
} from './contents.ts';
import {
  BACKUP_FORMAT,
  BackupError,
  type BackupManifest,
  DATABASES_FOLDER,
  describeFile,
  FILES_FOLDER,
  isBackup,
  JOURNAL_FOLDER,
  type SavedDatabase,
  type SavedFile,
  secretCheck,
  writeManifest,
} from './manifest.ts';

/** A part of a backup that is done. */
export interface BackupProgress {
  /** Databases. */
  readonly done: number;
  readonly total: number;
  /** Of all files so far. */
  readonly bytes: number;
}

export interface BackupOptions {
  /** Created by the backup. */
  readonly folder: string;
  /** Replaces an earlier backup in `folder`. */
  readonly force: boolean;
  /** By id; the default one has the id ''. */
  readonly servers: ReadonlyMap<string, DatabaseServer>;
  /** Reads the files of pending usage. */
  readonly journal: () => Iterable<JournalFile>;
  /** Of the installation: its configuration and others. */
  readonly files?: readonly InstallationFile[];
  /** WEIR_SECRET; undefined when the control database contains the secret. */
  readonly secret: string | undefined;
  readonly version: string;
  readonly now: () => Date;
  readonly onProgress: (progress: BackupProgress) => void;
}

/** A file of usage events that are not in the databases yet. */
export interface JournalFile {
  readonly name: string;
  readonly text: string;
}

/** A file of the installation, such as its configuration. */
export interface InstallationFile {
  /** In the backup: a relative path with slashes. */
  readonly name: string;
  readonly path: string;
}

/**
 * Backs up an installation to a folder while gateways use it. The folder appears when it is complete.
 *
 * The order makes the parts fit: events leave the journal after they are in a tenant's database, so the journal is
 * copied first; and a tenant's database is changed before its index in the control database, so that is saved before
 * them. Restoring adds what the index lacks.
 *
 * @throws BackupError, DatabaseMissingError, or the database's error; the folder does not appear then
 */
export async function createBackup(options: BackupOptions): Promise<BackupManifest> {
  const folder = resolve(options.folder);
  assertWritable(folder, options.force);
  const partial = join(dirname(folder), `.${basename(folder)}.partial-${process.pid}`);
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(join(partial, DATABASES_FOLDER), { recursive: true, mode: 0o700 });
    const contents = await new BackupRun(options, partial).run();
    writeManifest(partial, contents);
    for (const name of [DATABASES_FOLDER, JOURNAL_FOLDER, '']) syncToDisk(join(partial, name));
    replace(folder, partial);
    return contents;
  } catch (error) {
    // Those of SQLite name the database that they are about.
    const fault = codeOf(error)?.startsWith('SQLITE_') ? undefined : diskFault(error);
    if (fault === undefined) throw error;
    throw new BackupError(
      `Cannot write the backup to ${folder}: ${fault}. What was there is unchanged. Free space, or choose another folder.`,
      { cause: error },
    );
  } finally {
    removePartial(partial);
  }
}

/** A folder of a disk that rejects writes has none to remove, and the error of the backup is the one to report. */
function removePartial(partial: string): void {
  if (existsSync(partial)) rmSync(partial, { recursive: true, force: true });
}

/** Renames `partial` to `folder`; what was there is deleted after that. */
function replace(folder: string, partial: string): void {
  const old = join(dirname(folder), `.${basename(folder)}.old-${process.pid}`);
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(partial, folder);
  syncToDisk(dirname(folder));
  rmSync(old, { recursive: true, force: true });
}

function assertWritable(folder: string, force: boolean): void {
  if (!existsSync(folder)) return;
  if (readdirSync(folder).length === 0) return;
  if (!isBackup(folder)) {
    throw new BackupError(`${folder} is not empty and not a backup. Choose another folder.`);
  }
  if (!force) throw new BackupError(`${folder} contains a backup already. Add --force to replace it.`);
}

class BackupRun {
  #bytes = 0;

  constructor(
    private readonly options: BackupOptions,
    /** Where the files are written. */
    private readonly folder: string,
  ) {}

  async run(): Promise<BackupManifest> {
    const { now, version, secret, onProgress } = this.options;
    const created_at = now().toISOString();
    const journal = await this.#copyJournal();
    const { control, saved } = await this.#saveControl();
    const databases = [saved];
    const deleted: string[] = [];
    const total = control.tenants.length + 1;
    onProgress({ done: 1, total, bytes: this.#bytes });
    for (const tenant of control.tenants) {
      const own = await this.#saveTenant(tenant);
      if (own) databases.push(own);
      else deleted.push(tenant.id);
      onProgress({ done: databases.length + deleted.length, total, bytes: this.#bytes });
    }
    const known = secret ?? control.storedSecret;
    if (known === undefined) {
      throw new BackupError(
        'The control database contains no secret, and WEIR_SECRET is not set. Set it as it is set for the gateway.',
      );
    }
    const files = await this.#copyFiles();
    return {
      ...{ format: files.length === 0 ? 1 : BACKUP_FORMAT, weir: version, created_at },
      ...(files.length > 0 && { files }),
      secret: { source: secret === undefined ? 'database' : 'environment', check: secretCheck(known) },
      ...{ databases, journal, deleted_tenants: deleted },
    };
  }

  async #copyJournal(): Promise<SavedFile[]> {
    mkdirSync(join(this.folder, JOURNAL_FOLDER), { mode: 0o700 });
    const saved: SavedFile[] = [];
    for (const { name, text } of this.options.journal()) {
      const file = `${JOURNAL_FOLDER}/${name}`;
      writeFileSync(join(this.folder, file), text, { mode: 0o600, flush: true });
      saved.push(await this.#describe(file));
    }
    return saved;
  }

  async #copyFiles(): Promise<SavedFile[]> {
    const saved: SavedFile[] = [];
    for (const { name, path } of this.options.files ?? []) {
      const file = `${FILES_FOLDER}/${name}`;
      const target = join(this.folder, file);
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      writeFileSync(target, readFileSync(path), { mode: 0o600, flush: true });
      saved.push(await this.#describe(file));
    }
    return saved;
  }

  async #saveControl(): Promise<{ readonly control: ControlContents; readonly saved: SavedDatabase }> {
    try {
      const [control, saved] = await this.#save(CONTROL_SCHEMA, readControl, {
        ...{ tenant: null, server: '', name: CONTROL_DATABASE },
      });
      return { control, saved };
    } catch (error) {
      if (!(error instanceof DatabaseMissingError)) throw error;
      throw new BackupError(`There is nothing to back up: ${error.message}.`, { cause: error });
    }
  }

  /** @returns undefined when the tenant was deleted after the control database was saved */
  async #saveTenant({ id, server, database }: TenantPlace): Promise<SavedDatabase | undefined> {
    const place = { tenant: id, server, name: database };
    try {
      return (await this.#save(TENANT_SCHEMA, readTenant, place))[1];
    } catch (error) {
      if (!(await isCurrentTenant(this.#server(''), { id, server, database }))) return undefined;
      if (!(error instanceof DatabaseMissingError)) throw error;
      throw new BackupError(
        `The database of tenant ${id} is missing: ${error.message}. Restore it from an earlier backup, or delete the tenant: \`weir tenants delete ${id} --yes\`.`,
        { cause: error },
      );
    }
  }

  async #save<Tables, Contents extends { readonly migrations: readonly string[] }>(
    schema: DatabaseSchema,
    read: (db: Kysely<Tables>) => Promise<Contents>,
    place: Pick<SavedDatabase, 'tenant' | 'server' | 'name'>,
  ): Promise<[Contents, SavedDatabase]> {
    const server = this.#server(place.server);
    const file = `${DATABASES_FOLDER}/${place.name}.${server.savedExtension}`;
    const contents = await server.save(place.name, schema, join(this.folder, file), read);
    assertKnownMigrations(schema, contents.migrations);
    syncToDisk(join(this.folder, file));
    const { backend } = server;
    const migrations = [...contents.migrations];
    return [contents, { ...(await this.#describe(file)), ...place, backend, migrations }];
  }

  async #describe(file: string): Promise<SavedFile> {
    const described = await describeFile(this.folder, file);
    this.#bytes += described.bytes;
    return described;
  }

  #server(id: string): DatabaseServer {
    const server = this.options.servers.get(id);
    if (server) return server;
    throw new BackupError(`The database server "${id}" of some tenants is not configured (storage.servers).`);
  }
}
