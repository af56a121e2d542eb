import type { Kysely } from 'kysely';

/** An open database. */
export interface OpenDatabase<Tables> {
  readonly db: Kysely<Tables>;
  /**
   * Runs `work` while it holds the database's lock, which excludes other processes and other callers of this one.
   *
   * @returns what `work` returns
   */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * A place for databases: a folder of SQLite files, or a PostgreSQL server. `database-server.test.ts` runs the same suite
 * on both. Names consist of lowercase letters, digits and `_`, at most 63; Weir generates them, clients never do.
 *
 * Fails closed. While a server is unreachable, `create`, `drop` and `exists` reject with `DatabaseUnavailableError`, and
 * queries reject with the driver's error, which `isUnavailable` recognises.
 */
export interface DatabaseServer {
  readonly backend: 'sqlite' | 'postgres';
  /** Maximum number of connections of one open database; 1 for SQLite. */
  readonly connectionsEach: number;
  /** Creates an empty database. @returns false when it already exists */
  create(name: string): Promise<boolean>;
  /** Deletes a database, also while it is open elsewhere. @returns false when it does not exist */
  drop(name: string): Promise<boolean>;
  exists(name: string): Promise<boolean>;
  /** Opens an existing database for reading and writing. */
  open<Tables>(name: string): Promise<OpenDatabase<Tables>>;
  /** Opens an existing database for reading, on a read replica where one is configured; its data may lag behind. */
  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>>;
}

/** A database is unreachable. The message contains no credential. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

const NAME = /^[a-z0-9_]{1,63}$/;

/** @throws Error for a name that Weir never generates, as a last defence against injection */
export function assertDatabaseName(name: string): void {
  if (!NAME.test(name)) throw new Error(`not a database name: ${JSON.stringify(name.slice(0, 80))}`);
}
