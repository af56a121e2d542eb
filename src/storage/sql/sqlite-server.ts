import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, SqliteAdapter, SqliteDialect } from 'kysely';
import { Checkpoints } from '../../platform/checkpoints.ts';
import { createSqliteFile, openSqlite, type SqliteFile, withFileLock } from '../../platform/sqlite.ts';
import { assertDatabaseName, type DatabaseServer, type OpenDatabase } from './database-server.ts';

/** Name of the control database. */
const CONTROL = 'control';
const TENANTS = 'tenants';

/** A folder of SQLite files, one for each database; those of tenants are in its folder `tenants`. */
export class SqliteServer implements DatabaseServer {
  readonly backend = 'sqlite';
  readonly connectionsEach = 1;

  readonly #checkpoints = new Checkpoints();

  /** @param folder contains `control.sqlite` and the folder `tenants` */
  constructor(private readonly folder: string) {}

  async create(name: string): Promise<boolean> {
    if (await this.exists(name)) return false;
    createSqliteFile(this.#path(name));
    return true;
  }

  async drop(name: string): Promise<boolean> {
    const existed = await this.exists(name);
    for (const suffix of ['', '-wal', '-shm', '.lock']) {
      rmSync(`${this.#path(name)}${suffix}`, { force: true });
    }
    return existed;
  }

  async exists(name: string): Promise<boolean> {
    return existsSync(this.#path(name));
  }

  async open<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    const path = this.#path(name);
    return openFile(openSqlite(path, this.#checkpoints), path);
  }

  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    return this.open(name);
  }

  #path(name: string): string {
    assertDatabaseName(name);
    return join(this.folder, name === CONTROL ? '' : TENANTS, `${name}.sqlite`);
  }
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
function openFile<Tables>({ database }: SqliteFile, path: string): OpenDatabase<Tables> {
  const db = new Kysely<Tables>({ dialect: new TransactionalDialect({ database }) });
  return {
    db,
    exclusively: (work) => withFileLock(`${path}.lock`, work),
    close: () => db.destroy(),
  };
}
