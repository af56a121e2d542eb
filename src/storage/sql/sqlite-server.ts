import { chmodSync, copyFileSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Kysely, SqliteAdapter, SqliteDialect } from 'kysely';
import { Checkpoints } from '../../platform/checkpoints.ts';
import { probeFolder } from '../../platform/disk-probe.ts';
import { syncToDisk } from '../../platform/file-sync.ts';
import {
  copySqlite,
  createSqliteFile,
  isSqliteInUse,
  openSqlite,
  openSqliteCopy,
  probeSqlite,
  type SqliteFile,
  type SqliteObserver,
  withFileLock,
} from '../../platform/sqlite.ts';
import { sqliteFingerprint } from '../../platform/sqlite-fingerprint.ts';
import { openSqliteReadOnly } from '../../platform/sqlite-read-only.ts';
import { diskFault } from '../disk-errors.ts';
import type { WriteHealth } from '../write-health.ts';
import { DatabaseMissingError } from './database-errors.ts';
import { assertKnownMigrations, type DatabaseSchema } from './database-schema.ts';
import { CONTROL_DATABASE, type DatabaseServer, type OpenDatabase } from './database-server.ts';
import { appliedMigrations } from './migrate.ts';
import { type QueryObserver, queryLogger } from './query-observer.ts';
import { sqlitePath, TENANTS } from './sqlite-path.ts';

/** A folder of SQLite files, one for each database; those of tenants are in its folder `tenants`. */
export class SqliteServer implements DatabaseServer {
  readonly backend = 'sqlite';
  readonly connectionsEach = 1;

  readonly #observer: SqliteObserver;

  /**
   * @param folder contains `control.sqlite` and the folder `tenants`
   * @param health learns of writes that the disk rejects
   * @param onQuery receives the time of each statement
   */
  constructor(
    private readonly folder: string,
    health?: WriteHealth,
    private readonly onQuery?: QueryObserver,
  ) {
    const checkpoints = new Checkpoints();
    this.#observer = {
      wrote: (path) => checkpoints.wrote(path),
      closed: (path) => checkpoints.closed(path),
      writeFailed: (path, error) => {
        if (diskFault(error) === undefined) return;
        health?.failed('database', error, () => {
          probeFolder(dirname(path));
          // A tenant's database may be deleted meanwhile.
          if (existsSync(path)) probeSqlite(path);
        });
      },
    };
  }

  async create(name: string): Promise<boolean> {
    if (await this.exists(name)) return false;
    createSqliteFile(this.#path(name));
    return true;
  }

  async drop(name: string): Promise<boolean> {
    const existed = await this.exists(name);
    remove(this.#path(name));
    return existed;
  }

  async missingOf(names: readonly string[]): Promise<string[]> {
    return names.filter((name) => !statSync(this.#path(name), { throwIfNoEntry: false })?.size);
  }

  async exists(name: string): Promise<boolean> {
    return existsSync(this.#path(name));
  }

  async open<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    const path = this.#path(name);
    if (name !== CONTROL_DATABASE) this.#assertExists(path);
    else if (!existsSync(path)) this.#assertNew();
    try {
      return openFile(openSqlite(path, this.#observer), path, this.onQuery);
    } catch (error) {
      // Opening writes the log's index.
      this.#observer.writeFailed?.(path, error);
      throw error;
    }
  }

  async openReadOnly<Tables>(
    name: string,
    inUse: boolean,
  ): Promise<Pick<OpenDatabase<Tables>, 'db' | 'close'>> {
    const database = openSqliteReadOnly(this.#path(name), inUse);
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
    return { db, close: () => db.destroy() };
  }

  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    return this.open(name);
  }

  readonly savedExtension = 'sqlite';

  async save<Tables, T>(
    name: string,
    _: DatabaseSchema,
    file: string,
    read: (db: Kysely<Tables>) => Promise<T>,
  ): Promise<T> {
    const path = this.#path(name);
    this.#assertExists(path);
    copySqlite(path, file);
    const copy = openFile<Tables>(openSqliteCopy(file), file);
    try {
      return await read(copy.db);
    } finally {
      await copy.close();
    }
  }

  async load<Tables>(
    name: string,
    schema: DatabaseSchema,
    file: string,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    await this.#replace(name, async (staged) => {
      copyFileSync(file, staged);
      // The copy has the permissions of the original, which may have been on another file system.
      chmodSync(staged, 0o600);
      const database = openFile<Tables>(openSqlite(staged), staged);
      try {
        assertKnownMigrations(schema, await appliedMigrations(database.db));
        await edit(database.db);
      } finally {
        await database.close();
      }
    });
  }

  async read<Tables, T>(name: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    const path = this.#path(name);
    this.#assertExists(path);
    const database = openFile<Tables>(openSqlite(path), path);
    try {
      return await database.db.transaction().execute(work);
    } finally {
      await database.close();
    }
  }

  async loadDump<Tables>(
    name: string,
    schema: DatabaseSchema,
    lines: AsyncIterable<string>,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    const { readDump } = await import('./dump-lines.ts');
    await this.#replace(name, async (staged) => {
      const database = openFile<Tables>(openSqlite(staged), staged);
      try {
        await database.db.transaction().execute(async (transaction) => {
          await readDump(transaction, this.backend, schema, lines);
          await edit(transaction);
        });
      } finally {
        await database.close();
      }
    });
  }

  async fingerprints(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const name of names) {
      const fingerprint = sqliteFingerprint(this.#path(name));
      if (fingerprint !== undefined) found.set(name, fingerprint);
    }
    return found;
  }

  /** Replaces a database with a file that `fill` writes: others see the old one or the new one whole. */
  async #replace(name: string, fill: (staged: string) => Promise<void>): Promise<void> {
    const path = this.#path(name);
    const staged = `${path}.new`;
    try {
      remove(staged);
      createSqliteFile(staged);
      await fill(staged);
      syncToDisk(staged);
      // A log that belongs to the old file would damage the new one.
      for (const suffix of LOG_SUFFIXES) rmSync(`${path}${suffix}`, { force: true });
      renameSync(staged, path);
      syncToDisk(dirname(path));
    } finally {
      remove(staged);
    }
  }

  writeFailed(name: string, error: unknown): void {
    this.#observer.writeFailed?.(this.#path(name), error);
  }

  async isInUse(name: string): Promise<boolean> {
    const path = this.#path(name);
    return existsSync(path) && isSqliteInUse(path);
  }

  /** A folder with tenants' databases has lost its control database, which must not become a new one. */
  #assertNew(): void {
    const folder = join(this.folder, TENANTS);
    const left = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sqlite')) : [];
    if (left.length === 0) return;
    throw new DatabaseMissingError(
      `${this.#path(CONTROL_DATABASE)} is missing, but ${folder} contains ${left.length} databases. Restore a backup (\`weir restore\`), or move the folder away to start without data.`,
    );
  }

  #assertExists(path: string): void {
    if (!existsSync(path)) throw new DatabaseMissingError(`the file ${path} does not exist`);
  }

  #path(name: string): string {
    return sqlitePath(this.folder, name);
  }
}

const LOG_SUFFIXES = ['-wal', '-shm'] as const;

/** Deletes a file with its companions. */
function remove(path: string): void {
  for (const suffix of ['', ...LOG_SUFFIXES, '.lock']) rmSync(`${path}${suffix}`, { force: true });
}

/** SQLite can roll back changes of tables, which Kysely's adapter does not declare. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

/** @param path of the file; the lock file is `<path>.lock` */
function openFile<Tables>(
  { database }: SqliteFile,
  path: string,
  onQuery?: QueryObserver,
): OpenDatabase<Tables> {
  const log = queryLogger(onQuery);
  const db = new Kysely<Tables>({ dialect: new TransactionalDialect({ database }), ...(log && { log }) });
  return {
    db,
    exclusively: (work) => withFileLock(`${path}.lock`, work),
    close: () => db.destroy(),
  };
}
