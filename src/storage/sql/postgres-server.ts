import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import { codeOf } from '../disk-errors.ts';
import { missing, unavailable } from './database-errors.ts';
import type { DatabaseSchema } from './database-schema.ts';
import {
  assertDatabaseName,
  CONTROL_DATABASE,
  type DatabaseServer,
  type OpenDatabase,
} from './database-server.ts';
import { type QueryObserver, queryLogger } from './query-observer.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; other databases are created over a connection to this one. */
  readonly url: string;
  /** A read replica of the same server. */
  readonly replicaUrl?: string | undefined;
  /** Maximum number of connections of one open database; 2 when absent. */
  readonly connectionsEach?: number;
  /** Called when an idle connection breaks. */
  readonly onIdleError?: (error: Error) => void;
  /** Receives the time of each statement. */
  readonly onQuery?: QueryObserver | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;
/** A longer statement would hold a connection that other callers wait for. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Advisory lock of Weir's migrations: a number that no other program uses. */
const LOCK_ID = 0x57_65_69_72;

/** Loads the driver on first use; gateways on SQLite never load it. */
async function loadDriver(): Promise<typeof pg> {
  const { default: driver } = await import('pg');
  return driver;
}

/** Parses bigint columns as numbers; the driver returns text, because they may be too large. Weir's never are. */
function typesOf({ types }: typeof pg): pg.CustomTypesConfig {
  return {
    getTypeParser(oid: number, format?: 'text' | 'binary') {
      if (oid === types.builtins.INT8 && format !== 'binary') return wholeNumber;
      return types.getTypeParser(oid, format);
    },
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`the database contains the integer ${text}, which is too large`);
  return value;
}

/** A PostgreSQL server, with one database for each tenant. */
export class PostgresServer implements DatabaseServer {
  readonly backend = 'postgres';
  readonly connectionsEach: number;

  constructor(private readonly options: PostgresOptions) {
    this.connectionsEach = options.connectionsEach ?? 2;
  }

  create(name: string): Promise<boolean> {
    assertDatabaseName(name);
    return this.#administer(async (client) => {
      if (await has(client, name)) return false;
      try {
        // Nothing can be connected to template0, which would make CREATE DATABASE fail; its collation is the server's.
        await client.query(`CREATE DATABASE "${name}" TEMPLATE template0`);
        return true;
      } catch (error) {
        if (codeOf(error) === DUPLICATE_DATABASE || codeOf(error) === UNIQUE_VIOLATION) return false;
        throw error;
      }
    });
  }

  drop(name: string): Promise<boolean> {
    assertDatabaseName(name);
    return this.#administer(async (client) => {
      if (!(await has(client, name))) return false;
      await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
      return true;
    });
  }

  missingOf(names: readonly string[]): Promise<string[]> {
    for (const name of names) assertDatabaseName(name);
    return this.#administer(async (client) => {
      const { rows } = await client.query<{ datname: string }>(
        'SELECT datname FROM pg_database WHERE datname = ANY($1)',
        [names],
      );
      const found = new Set(rows.map(({ datname }) => datname));
      return names.filter((name) => !found.has(name));
    });
  }

  exists(name: string): Promise<boolean> {
    assertDatabaseName(name);
    return this.#administer((client) => has(client, this.#nameOf(name)));
  }

  async open<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    assertDatabaseName(name);
    return this.#connect(urlOf(this.options.url, name), this.connectionsEach);
  }

  async openReadOnly<Tables>(name: string): Promise<Pick<OpenDatabase<Tables>, 'db' | 'close'>> {
    assertDatabaseName(name);
    // Opening a database of a server creates nothing.
    return this.#connect(name === CONTROL_DATABASE ? this.options.url : urlOf(this.options.url, name), 1);
  }

  async openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    assertDatabaseName(name);
    return this.#connect(urlOf(this.options.replicaUrl ?? this.options.url, name), 1);
  }

  /** Opens the database that the URL names. @param connections maximum size of the pool */
  async openOwn<Tables>(connections: number): Promise<OpenDatabase<Tables>> {
    return this.#connect(this.options.url, connections);
  }

  readonly savedExtension = 'ndjson.gz';

  async save<Tables, T>(
    name: string,
    schema: DatabaseSchema,
    file: string,
    read: (db: Kysely<Tables>) => Promise<T>,
  ): Promise<T> {
    const { writeDump } = await import('./postgres-dump.ts');
    return this.#within<Tables, T>(name, (db) =>
      db
        .transaction()
        .setIsolationLevel('repeatable read')
        .execute(async (transaction) => {
          const contents = await read(transaction);
          await writeDump(transaction, schema, file);
          return contents;
        }),
    );
  }

  async load<Tables>(
    name: string,
    schema: DatabaseSchema,
    file: string,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    const { linesOfFile } = await import('./postgres-dump.ts');
    await this.loadDump(name, schema, linesOfFile(file), edit);
  }

  async read<Tables, T>(name: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    return this.#within<Tables, T>(name, (db) =>
      db.transaction().setIsolationLevel('repeatable read').execute(work),
    );
  }

  async loadDump<Tables>(
    name: string,
    schema: DatabaseSchema,
    lines: AsyncIterable<string>,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    const { readDump } = await import('./dump-lines.ts');
    if (name !== CONTROL_DATABASE) await this.create(name);
    await this.#within<Tables, void>(name, (db) =>
      db.transaction().execute(async (transaction) => {
        await sql`SET LOCAL statement_timeout = 0`.execute(transaction);
        await readDump(transaction, this.backend, schema, lines);
        await edit(transaction);
      }),
    );
  }

  fingerprints(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#administer(async (client) => {
      const known = new Map(names.map((name) => [this.#nameOf(name), name]));
      // Counters restart with the server, or with a reset.
      const { rows } = await client.query<{ datname: string; changes: string }>(
        `SELECT datname, concat_ws('/', pg_postmaster_start_time(), stats_reset, datid,
           tup_inserted, tup_updated, tup_deleted) AS changes
         FROM pg_stat_database WHERE datname = ANY($1)`,
        [[...known.keys()]],
      );
      return new Map(rows.map(({ datname, changes }) => [known.get(datname) ?? datname, changes]));
    });
  }

  isInUse(name: string): Promise<boolean> {
    return this.#administer(async (client) => {
      const { rowCount } = await client.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name = $2 AND pid <> pg_backend_pid() LIMIT 1`,
        [this.#nameOf(name), APPLICATION],
      );
      return rowCount === 1;
    });
  }

  /** The server's name of a database. */
  #nameOf(name: string): string {
    return name === CONTROL_DATABASE ? decodeURIComponent(new URL(this.options.url).pathname.slice(1)) : name;
  }

  /** Runs `work` on one connection to a database. */
  async #within<Tables, T>(name: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    const url = name === CONTROL_DATABASE ? this.options.url : urlOf(this.options.url, name);
    const database = await this.#connect<Tables>(url, 1);
    try {
      return await work(database.db);
    } catch (error) {
      throw unavailable(missing(error, name));
    } finally {
      await database.close();
    }
  }

  async #connect<Tables>(connectionString: string, max: number): Promise<OpenDatabase<Tables>> {
    const driver = await loadDriver();
    const pool = new driver.Pool({
      connectionString,
      max,
      types: typesOf(driver),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      application_name: APPLICATION,
    });
    // Without a listener, a connection that the server closes would end the process.
    pool.on('error', (error) => this.options.onIdleError?.(error));
    const log = queryLogger(this.options.onQuery);
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), ...(log && { log }) });
    return {
      db,
      exclusively: (work) =>
        db.connection().execute(async (connection) => {
          await sql`SET statement_timeout = 0`.execute(connection);
          await sql`SELECT pg_advisory_lock(${LOCK_ID})`.execute(connection);
          try {
            return await work();
          } finally {
            await sql`SELECT pg_advisory_unlock(${LOCK_ID})`.execute(connection);
            await sql.raw(`SET statement_timeout = ${STATEMENT_TIMEOUT_MS}`).execute(connection);
          }
        }),
      close: () => db.destroy(),
    };
  }

  async #administer<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const { Client } = await loadDriver();
    const client = new Client({
      connectionString: this.options.url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: APPLICATION,
    });
    // A connection that breaks during a query also rejects that query.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } catch (cause) {
      throw unavailable(cause);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** The program's name in the server's list of connections. */
const APPLICATION = 'weir';
const DUPLICATE_DATABASE = '42P04';
const UNIQUE_VIOLATION = '23505';
async function has(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  return rowCount === 1;
}

/** @returns the URL of another database on the same server */
function urlOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
