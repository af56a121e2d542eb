import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import {
  assertDatabaseName,
  type DatabaseServer,
  DatabaseUnavailableError,
  type OpenDatabase,
} from './database-server.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; other databases are created over a connection to this one. */
  readonly url: string;
  /** A read replica of the same server. */
  readonly replicaUrl?: string | undefined;
  /** Maximum number of connections of one open database; 2 when absent. */
  readonly connectionsEach?: number;
  /** Called when an idle connection breaks. */
  readonly onIdleError?: (error: Error) => void;
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

  exists(name: string): Promise<boolean> {
    assertDatabaseName(name);
    return this.#administer((client) => has(client, name));
  }

  async open<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    assertDatabaseName(name);
    return this.#connect(urlOf(this.options.url, name), this.connectionsEach);
  }

  async openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>> {
    assertDatabaseName(name);
    return this.#connect(urlOf(this.options.replicaUrl ?? this.options.url, name), 1);
  }

  /** Opens the database that the URL names. @param connections maximum size of the pool */
  async openOwn<Tables>(connections: number): Promise<OpenDatabase<Tables>> {
    return this.#connect(this.options.url, connections);
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
      application_name: 'weir',
    });
    // Without a listener, a connection that the server closes would end the process.
    pool.on('error', (error) => this.options.onIdleError?.(error));
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
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
      application_name: 'weir',
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

const DUPLICATE_DATABASE = '42P04';
const UNIQUE_VIOLATION = '23505';
/**
 * Error classes of a server that cannot serve now: connection, resources, operator intervention, system.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '57', '58']);
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** @returns true when the database was unreachable, false when it failed at the query itself */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code !== undefined) return NETWORK_CODES.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2));
  return /^(connection terminated|timeout expired|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|the database connection is not open)/i.test(
    error.message,
  );
}

/** @returns a DatabaseUnavailableError when the cause is that the database is unreachable; otherwise the cause itself */
export function unavailable(cause: unknown): unknown {
  if (!isUnavailable(cause) || cause instanceof DatabaseUnavailableError) return cause;
  const reason = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  return new DatabaseUnavailableError(
    `Database server unreachable${reason}. Check that it runs, and its URL in "storage".`,
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

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
