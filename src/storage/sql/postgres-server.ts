import { Kysely, PostgresDialect, sql } from 'kysely';
import type pg from 'pg';
import {
  assertDatabaseName,
  type DatabaseServer,
  DatabaseUnavailableError,
  type OpenDatabase,
} from './database-server.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; the database is the one to administer others from. */
  readonly url: string;
  /** A replica of the same server, for reading. */
  readonly replicaUrl?: string | undefined;
  readonly connectionsEach?: number;
  /** Told of connections that break while nobody uses them. */
  readonly onIdleError?: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;
/** A statement that takes longer holds a connection that others wait for. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Locks of Weir's migrations; any number that no other program uses. */
const LOCK_ID = 0x57_65_69_72;

/** The driver, which gateways on SQLite never load. */
async function loadDriver(): Promise<typeof pg> {
  const { default: driver } = await import('pg');
  return driver;
}

/** Whole numbers arrive as text, since they may be too large for JavaScript; ours are not, or it is an error. */
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
  if (!Number.isSafeInteger(value)) throw new RangeError(`the database holds ${text}, which is too large`);
  return value;
}

/** A PostgreSQL server. */
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
        // template0 can't be in use, and so never stands in the way; its collation is the server's.
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

  /** The database that the URL itself names. */
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
    // Without a listener a connection that the server closes would end the process.
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
    // A connection that breaks while it waits for an answer rejects that, too.
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
/** Classes of PostgreSQL's errors that say that the server can't serve now: connection, resources, operator. */
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

/** True when the database did not fail at what it was asked, but could not be asked. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code !== undefined) return NETWORK_CODES.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2));
  return /^(connection terminated|timeout expired|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|the database connection is not open)/i.test(
    error.message,
  );
}

/** What a failure is to others: one of the connection, with words that a tired person understands, or what it was. */
export function unavailable(cause: unknown): unknown {
  if (!isUnavailable(cause) || cause instanceof DatabaseUnavailableError) return cause;
  const reason = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  return new DatabaseUnavailableError(`The database server can not be reached${reason}.`, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

async function has(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  return rowCount === 1;
}

/** The same server's URL with another database. */
function urlOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
