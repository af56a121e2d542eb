import type { Kysely } from 'kysely';

/** A database that is open. */
export interface OpenDatabase<Tables> {
  readonly db: Kysely<Tables>;
  /** Runs `work` while nobody else, of this process or another, holds this database's lock. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * Where databases are: a folder of SQLite files, or a PostgreSQL server. Names are made by Weir, from small letters,
 * digits and "_", and never from what a client has sent.
 */
export interface DatabaseServer {
  readonly backend: 'sqlite' | 'postgres';
  /** Connections that one open database may have; 1 where there is no server to spare. */
  readonly connectionsEach: number;
  /** @returns false when it exists already */
  create(name: string): Promise<boolean>;
  /** @returns false when there is none */
  drop(name: string): Promise<boolean>;
  exists(name: string): Promise<boolean>;
  /** Opens a database that exists, to read and write. @throws DatabaseUnavailableError */
  open<Tables>(name: string): Promise<OpenDatabase<Tables>>;
  /** Opens the database for reading only, at a replica where the server has one; it may be behind. */
  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>>;
}

/** A database can't be reached or used now. Its message holds no credential. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

const NAME = /^[a-z0-9_]{1,63}$/;

/** @throws Error for a name that Weir would never make, whoever asks */
export function assertDatabaseName(name: string): void {
  if (!NAME.test(name)) throw new Error(`not a database name: ${JSON.stringify(name.slice(0, 80))}`);
}
