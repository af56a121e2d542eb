import { Database, type SQLQueryBindings } from 'bun:sqlite';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import type { Checkpoints } from './checkpoints.ts';

export interface SqliteFile {
  /** For Kysely's SQLite dialect. */
  readonly database: SqliteDatabase;
  /** Changes when another connection, of this process or another, has committed a write. */
  dataVersion(): number;
}

/** A database file that is not usable. Its message is complete without a stack. */
export class DatabaseFileError extends Error {
  override readonly name = 'DatabaseFileError';
}

/**
 * Opens a SQLite file, and creates it and its folder where they are missing. Only its owner may read the file.
 * @param checkpoints moves the log into the file in a separate thread; without it the writer does so
 * @throws DatabaseFileError when the file cannot be opened or is not a database
 */
export function openSqlite(path: string, checkpoints?: Checkpoints): SqliteFile {
  let connection: Database;
  try {
    connection = connect(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseFileError(`Can't open the database ${path}: ${reason}`, { cause });
  }
  if (checkpoints) connection.exec(`PRAGMA wal_autocheckpoint = ${MAX_LOG_BYTES}`);
  const statements = new Map<string, SqliteStatement>();
  const version = connection.query<{ data_version: number }, []>('PRAGMA data_version');
  return {
    dataVersion: () => version.get()?.data_version ?? 0,
    database: {
      close: () => {
        connection.close();
        checkpoints?.closed(path);
      },
      prepare: (sql) => {
        const known = statements.get(sql);
        if (known) return known;
        const statement = connection.prepare<unknown, SQLQueryBindings[]>(sql);
        // A single statement, or the end of a transaction.
        const wrote = READING.test(sql) ? undefined : checkpoints;
        const prepared: SqliteStatement = {
          reader: statement.columnNames.length > 0,
          all: (parameters) => {
            const rows = statement.all(...parameters.map(binding));
            wrote?.wrote(path);
            return rows;
          },
          run: (parameters) => {
            const changes = statement.run(...parameters.map(binding));
            wrote?.wrote(path);
            return changes;
          },
          iterate: (parameters) => statement.iterate(...parameters.map(binding)),
        };
        // A schema change invalidates prepared statements. It is rare.
        if (!KEPT.test(sql)) statements.clear();
        else {
          if (statements.size >= MAX_STATEMENTS) statements.clear();
          statements.set(sql, prepared);
        }
        return prepared;
      },
    },
  };
}

/** Length of a log, in pages, at which the writer moves it into the file, unless the thread has done so before. */
const MAX_LOG_BYTES = 16_000;
const READING = /^\s*select\b/i;
/** The largest number of prepared statements in the cache. */
const MAX_STATEMENTS = 200;
const KEPT = /^\s*(?:select|insert|update|delete)\b/i;

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
    connection.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;',
    );
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
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
    while (!lock(connection)) {
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

function lock(connection: Database): boolean {
  try {
    connection.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))
      return false;
    throw error;
  }
}
