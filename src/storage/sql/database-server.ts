import type { Kysely } from 'kysely';
import type { DatabaseSchema } from './database-schema.ts';

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
  /** @returns those of some databases that do not exist, or whose file is empty, without opening any */
  missingOf(names: readonly string[]): Promise<string[]>;
  /** Reports a write that failed on a connection that this server has not opened. */
  writeFailed?(name: string, error: unknown): void;
  /** Opens an existing database for reading and writing. */
  open<Tables>(name: string): Promise<OpenDatabase<Tables>>;
  /**
   * Opens an existing database to inspect it. Nothing is created, changed or migrated.
   *
   * @param name `control` is the control database
   * @param inUse whether a gateway may be using it
   */
  openReadOnly<Tables>(name: string, inUse: boolean): Promise<Pick<OpenDatabase<Tables>, 'db' | 'close'>>;
  /** Opens an existing database for reading, on a read replica where one is configured; its data may lag behind. */
  openReplica<Tables>(name: string): Promise<OpenDatabase<Tables>>;

  /** Extension of the files that `save` writes. */
  readonly savedExtension: string;
  /**
   * Writes a consistent copy of a database to a new file, while other processes read and write the database.
   *
   * @param read reads the state that the file holds
   * @returns what `read` returns
   * @throws DatabaseMissingError
   */
  save<Tables, T>(
    name: string,
    schema: DatabaseSchema,
    file: string,
    read: (db: Kysely<Tables>) => Promise<T>,
  ): Promise<T>;
  /**
   * Creates a database from a saved file, or replaces it: other connections see the old one or the new one whole.
   *
   * @param edit changes the new one before it is visible
   * @throws Error when the file is damaged, was made by a newer version, or cannot be written; the old one stays then
   */
  load<Tables>(
    name: string,
    schema: DatabaseSchema,
    file: string,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void>;
  /**
   * Reads one state of a database, while other processes read and write it.
   *
   * @returns what `work` returns
   * @throws DatabaseMissingError
   */
  read<Tables, T>(name: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T>;
  /**
   * Creates a database from the lines of a dump (`dump-lines.ts`) of either backend, or replaces it, as `load` does.
   *
   * @throws DumpError for a damaged dump, NewerDatabaseError, or the database's error; the old one stays then
   */
  loadDump<Tables>(
    name: string,
    schema: DatabaseSchema,
    lines: AsyncIterable<string>,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void>;
  /**
   * Texts that differ from earlier ones where a database has changed since. They may lag some seconds behind, and may differ
   * for a database that has not changed. A database that is missing has none.
   */
  fingerprints(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Whether a gateway or command is connected to a database. */
  isInUse(name: string): Promise<boolean>;
}

/**
 * Name of the control database. On a PostgreSQL server it is the database that the server's URL names, which Weir neither
 * creates nor drops.
 */
export const CONTROL_DATABASE = 'control';

const NAME = /^[a-z0-9_]{1,63}$/;

/** @throws Error for a name that Weir never generates, as a last defence against injection */
export function assertDatabaseName(name: string): void {
  if (!NAME.test(name)) throw new Error(`not a database name: ${JSON.stringify(name.slice(0, 80))}`);
}
