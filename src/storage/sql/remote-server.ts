import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { CONTROL_DATABASE, type DatabaseServer, type OpenDatabase } from './database-server.ts';

/** One statement for a database that another process has open. */
export interface RemoteStatement {
  readonly database: string;
  /** In a transaction that `begin` began; undefined for a statement of its own. */
  readonly transaction: number | undefined;
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Rows and changes of a statement. */
export interface RemoteResult {
  readonly rows: readonly unknown[];
  readonly affected: bigint | undefined;
  readonly insertId: bigint | undefined;
}

/** The process that has the databases of a server open. Calls reject with its errors, with their codes. */
export interface RemoteSql {
  run(statement: RemoteStatement): Promise<RemoteResult>;
  /** @returns the number of a transaction, which ends with its process */
  begin(database: string): Promise<number>;
  end(transaction: number, commits: boolean): Promise<void>;
}

/**
 * A folder of SQLite files that another process reads and writes for this one, which never opens them. Databases exist and
 * are migrated already.
 */
export class RemoteSqliteServer implements DatabaseServer {
  readonly backend = 'sqlite';
  readonly connectionsEach = 1;
  readonly savedExtension = 'sqlite';

  constructor(private readonly remote: RemoteSql) {}

  async exists(): Promise<boolean> {
    return true;
  }

  async missingOf(): Promise<string[]> {
    return [];
  }

  async open<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    const db = new Kysely<Tables>({ dialect: new RemoteDialect(this.remote, name) });
    return { db, exclusively: (work) => work(), close: () => db.destroy() };
  }

  openReadOnly<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    return this.open(name);
  }

  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    return this.open(name);
  }

  create(name: string): Promise<boolean> {
    return Promise.reject(notHere('created', name));
  }

  drop(name: string): Promise<boolean> {
    return Promise.reject(notHere('dropped', name));
  }

  save(name: string): Promise<never> {
    return Promise.reject(notHere('saved', name));
  }

  load(name: string): Promise<never> {
    return Promise.reject(notHere('loaded', name));
  }

  read(name: string): Promise<never> {
    return Promise.reject(notHere('saved', name));
  }

  loadDump(name: string): Promise<never> {
    return Promise.reject(notHere('loaded', name));
  }

  async fingerprints(): Promise<ReadonlyMap<string, string>> {
    return new Map();
  }

  async isInUse(): Promise<boolean> {
    return true;
  }
}

function notHere(what: string, name: string): Error {
  const which = name === CONTROL_DATABASE ? 'The control database' : `The database ${name}`;
  return new Error(`${which} can be ${what} by the parent process only.`);
}

class RemoteDialect implements Dialect {
  constructor(
    private readonly remote: RemoteSql,
    private readonly database: string,
  ) {}

  createAdapter = () => new SqliteAdapter();
  createDriver = () => new RemoteDriver(this.remote, this.database);
  createIntrospector: Dialect['createIntrospector'] = (db) => new SqliteIntrospector(db);
  createQueryCompiler = () => new SqliteQueryCompiler();
}

/** Each connection has at most one transaction; the other process runs them one after the other. */
class RemoteConnection implements DatabaseConnection {
  transaction: number | undefined;

  constructor(
    private readonly remote: RemoteSql,
    private readonly database: string,
  ) {}

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>>;
  async executeQuery({ sql, parameters }: CompiledQuery): Promise<QueryResult<unknown>> {
    const { database, transaction } = this;
    const { rows, affected, insertId } = await this.remote.run({ database, transaction, sql, parameters });
    return {
      rows: [...rows],
      ...(affected !== undefined && { numAffectedRows: affected }),
      ...(insertId !== undefined && { insertId }),
    };
  }

  streamQuery(): never {
    throw new Error('a database of another process has no streams of rows');
  }

  async begin(): Promise<void> {
    this.transaction = await this.remote.begin(this.database);
  }

  async end(commits: boolean): Promise<void> {
    const { transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) await this.remote.end(transaction, commits);
  }
}

class RemoteDriver implements Driver {
  constructor(
    private readonly remote: RemoteSql,
    private readonly database: string,
  ) {}

  async init(): Promise<void> {
    // There is nothing to open here.
  }

  async acquireConnection(): Promise<RemoteConnection> {
    return new RemoteConnection(this.remote, this.database);
  }

  beginTransaction(connection: RemoteConnection): Promise<void> {
    return connection.begin();
  }

  commitTransaction(connection: RemoteConnection): Promise<void> {
    return connection.end(true);
  }

  rollbackTransaction(connection: RemoteConnection): Promise<void> {
    return connection.end(false);
  }

  async releaseConnection(): Promise<void> {
    // It holds nothing.
  }

  async destroy(): Promise<void> {
    // The other process keeps the database open.
  }
}
