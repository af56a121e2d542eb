import { Database, type SQLQueryBindings, type Statement } from 'bun:sqlite';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SqliteDatabase, SqliteStatement } from 'kysely';

export interface SqliteFile {
  /** For Kysely's SQLite dialect. */
  readonly database: SqliteDatabase;
}

/** Who observes the writes to a database file. Called with its path. */
export interface SqliteObserver {
  wrote?(path: string): void;
  writeFailed?(path: string, error: unknown): void;
  closed?(path: string): void;
}

/** A database file that is not usable. Its message is complete without a stack. */
export class DatabaseFileError extends Error {
  override readonly name = 'DatabaseFileError';
  /** SQLite's code, where it gave one. */
  readonly code: string | undefined;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    const { cause } = this;
    this.code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  }
}

/**
 * Opens a SQLite file, and creates it and its folder where they are missing. Only its owner may read the file.
 * @param observer one that observes writes moves the log into the file in time; without it the writer does so
 * @throws DatabaseFileError when the file cannot be opened or is not a database
 */
export function openSqlite(path: string, observer: SqliteObserver = {}): SqliteFile {
  const connection = attempt(`Can't open the database ${path}`, () => connect(path));
  if (observer.wrote) connection.exec(`PRAGMA wal_autocheckpoint = ${MAX_LOG_BYTES}`);
  return sqliteFile(connection, path, observer);
}

/**
 * Opens a file that no process writes to, such as a copy. Creates no companion files.
 * @throws DatabaseFileError when the file does not exist or is not a database
 */
export function openSqliteCopy(path: string): SqliteFile {
  return attempt(`Can't open the database ${path}`, () =>
    sqliteFile(new Database(path, { readonly: true, strict: true }), path, {}),
  );
}

/**
 * Writes a consistent copy of a database to a file that does not exist, while other processes use the database. Only its
 * owner may read the copy, and the copy has no companion files.
 * @throws DatabaseFileError when the database does not exist or is damaged, or the copy cannot be written
 */
export function copySqlite(path: string, target: string): void {
  attempt(`Can't copy the database ${path} to ${target}`, () => {
    const connection = new Database(path, { create: false, readwrite: true, strict: true });
    try {
      connection.exec('PRAGMA busy_timeout = 5000');
      createSqliteFile(target);
      connection.prepare('VACUUM INTO ?').run(target);
    } finally {
      connection.close();
    }
  });
}

/**
 * Writes to a database without changing it.
 * @throws Error when it cannot be written
 */
export function probeSqlite(path: string): void {
  const connection = new Database(path, { create: false, readwrite: true, strict: true });
  try {
    const version = connection.query<{ user_version: number }, []>('PRAGMA user_version').get();
    connection.exec(`PRAGMA busy_timeout = 1000; PRAGMA user_version = ${version?.user_version ?? 0}`);
  } finally {
    connection.close();
  }
}

/**
 * Whether another connection, of this process or another, has a database open that {@link openSqlite} opened. Changes
 * nothing.
 * @throws DatabaseFileError when the file is not a database
 */
export function isSqliteInUse(path: string): boolean {
  return attempt(`Can't open the database ${path}`, () => {
    const connection = new Database(path, { create: false, readwrite: true, strict: true });
    try {
      // A connection in this mode needs the whole file, which every other connection holds a lock on.
      connection.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE');
      if (!tryLock(connection)) return true;
      connection.exec('ROLLBACK');
      return false;
    } finally {
      connection.close();
    }
  });
}

/** @returns what `work` returns. @throws DatabaseFileError with `failure` and the reason when it throws */
function attempt<T>(failure: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof DatabaseFileError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseFileError(`${failure}: ${reason}`, { cause });
  }
}

function sqliteFile(connection: Database, path: string, observer: SqliteObserver): SqliteFile {
  const cached = new Map<string, CachedStatement>();
  // A statement that is not finalized would keep the file open after `close`.
  const clear = () => {
    for (const { statement } of cached.values()) statement.finalize();
    cached.clear();
  };
  const prepare = (sql: string): CachedStatement => {
    const statement = connection.prepare<unknown, SQLQueryBindings[]>(sql);
    const isKept = KEPT.test(sql);
    const isRollback = ROLLBACK.test(sql);
    // A single statement, or the end of a transaction.
    const isWriting = !READING.test(sql);
    const execute = <T>(
      work: (...parameters: SQLQueryBindings[]) => T,
      parameters: readonly unknown[],
    ): T => {
      try {
        const result = work(...parameters.map(binding));
        if (isWriting) observer.wrote?.(path);
        return result;
      } catch (error) {
        if (isWriting) observer.writeFailed?.(path, error);
        throw error;
      } finally {
        if (!isKept) statement.finalize();
      }
    };
    const all = statement.all.bind(statement);
    const run = statement.run.bind(statement);
    const prepared: SqliteStatement = {
      reader: statement.columnNames.length > 0,
      all: (parameters) => execute(all, parameters),
      run: (parameters) =>
        // A full disk rolls the transaction back; an error of a second rollback would hide the cause.
        isRollback && !connection.inTransaction ? NOTHING_CHANGED : execute(run, parameters),
      iterate: (parameters) => statement.iterate(...parameters.map(binding)),
    };
    return { statement, prepared };
  };
  return {
    database: {
      close: () => {
        clear();
        connection.close();
        observer.closed?.(path);
      },
      prepare: (sql) => {
        const known = cached.get(sql);
        if (known) return known.prepared;
        const made = prepare(sql);
        if (KEPT.test(sql)) {
          if (cached.size >= MAX_STATEMENTS) clear();
          cached.set(sql, made);
        } else {
          // A schema change invalidates prepared statements. It is rare.
          clear();
        }
        return made.prepared;
      },
    },
  };
}

interface CachedStatement {
  readonly statement: Statement<unknown, SQLQueryBindings[]>;
  readonly prepared: SqliteStatement;
}

/** A SQLite file with prepared statements only, for a thread of its own. */
export interface SqliteSession {
  /** Runs one statement, which is prepared when its text is used first. @returns its rows */
  readonly execute: (sql: string, parameters: readonly SqliteValue[]) => readonly SqliteRow[];
  readonly close: () => void;
}

export type SqliteValue = string | number | null;
export type SqliteRow = Readonly<Record<string, SqliteValue>>;

/**
 * Opens a file for a caller that uses few statements. The caller moves the log into the file itself, with its commits.
 * @param cacheKib memory for pages of the file
 * @throws DatabaseFileError when the file does not exist or is not a database
 */
export function openExistingSqlite(path: string, cacheKib: number): SqliteSession {
  if (!existsSync(path)) throw new DatabaseFileError(`The database ${path} does not exist.`);
  const connection = attempt(`Can't open the database ${path}`, () => connect(path));
  connection.exec(`PRAGMA cache_size = -${cacheKib}`);
  const statements = new Map<string, { statement: Statement<SqliteRow, SqliteValue[]>; reads: boolean }>();
  return {
    execute: (sql, parameters) => {
      let known = statements.get(sql);
      if (!known) {
        const statement = connection.prepare<SqliteRow, SqliteValue[]>(sql);
        known = { statement, reads: statement.columnNames.length > 0 };
        statements.set(sql, known);
      }
      if (known.reads) return known.statement.all(...parameters);
      known.statement.run(...parameters);
      return NO_ROWS;
    },
    close: () => {
      // SQLite keeps a file open that has statements.
      for (const { statement } of statements.values()) statement.finalize();
      connection.close();
    },
  };
}

const NO_ROWS: readonly never[] = [];

/** Length of a log, in pages, at which the writer moves it into the file, unless the thread has done so before. */
const MAX_LOG_BYTES = 16_000;
const READING = /^\s*select\b/i;
const ROLLBACK = /^\s*rollback\s*$/i;
const NOTHING_CHANGED = { changes: 0, lastInsertRowid: 0 };
/** The largest number of prepared statements in the cache. */
const MAX_STATEMENTS = 200;
const KEPT = /^\s*(?:select|insert|update|delete|begin|commit|rollback)\b/i;

/** Creates an empty database file, and its folder, where they are missing. Only its owner may read the file. */
export function createSqliteFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite would make the file readable by all users, which matters in an existing folder that is open to them.
  // SQLite gives its companion files (-wal, -shm) the same permissions.
  closeSync(openSync(path, 'a', 0o600));
}

function connect(path: string): Database {
  if (path !== ':memory:') createSqliteFile(path);
  const connection = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    // The timeout comes first: reading the journal mode waits for a lock too, which a checkpoint's thread may hold.
    connection.exec(
      'PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;',
    );
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

/** Parameters of a statement. @throws TypeError for a value that SQLite has no type for */
export function bindings(values: readonly unknown[]): SQLQueryBindings[] {
  return values.map(binding);
}

function binding(value: unknown): SQLQueryBindings {
  if (value === null || value instanceof Uint8Array) return value;
  if (
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    typeof value === 'boolean'
  )
    return value;
  throw new TypeError(`a ${typeof value} can't be stored in SQLite`);
}

/** The longest wait for a lock that another process holds. Milliseconds. */
const LOCK_TIMEOUT_MS = 60_000;
const LOCK_RETRY_MS = 25;

/**
 * Runs `work` while no other caller, in this process or another, holds the lock of that file. It is SQLite's own lock:
 * it is released when its process dies.
 * @throws DatabaseFileError when the lock stays taken for a minute
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  createSqliteFile(path);
  // Nothing is written to it, so it stays empty: a write-ahead log would cost each start four syncs of the disk.
  const connection = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    connection.exec('PRAGMA busy_timeout = 0');
    const giveUpAt = performance.now() + LOCK_TIMEOUT_MS;
    while (!tryLock(connection)) {
      if (performance.now() > giveUpAt) {
        throw new DatabaseFileError(`Another process has held ${path} for a minute.`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
    try {
      return await work();
    } finally {
      connection.exec('ROLLBACK');
    }
  } finally {
    connection.close();
  }
}

/** Begins a transaction that excludes all other connections to the file. @returns false when one is busy with it */
export function tryLock(connection: Database): boolean {
  try {
    connection.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))
      return false;
    throw error;
  }
}
