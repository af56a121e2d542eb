import { Database, type SQLQueryBindings } from 'bun:sqlite';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SqliteDatabase } from 'kysely';

export interface SqliteFile {
  /** For Kysely's SQLite dialect. */
  readonly database: SqliteDatabase;
  /** Changes when another connection, of this process or another, has committed a write. */
  dataVersion(): number;
}

/** A database file that can't be used as it is; its message needs no stack to be understood. */
export class DatabaseFileError extends Error {
  override readonly name = 'DatabaseFileError';
}

/**
 * Opens a SQLite file, and makes it and its folder where they are missing. The file is readable by its owner only.
 * @throws DatabaseFileError when the file can't be opened or is no database
 */
export function openSqlite(path: string): SqliteFile {
  let connection: Database;
  try {
    connection = connect(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseFileError(`Can't open the database ${path}: ${reason}`, { cause });
  }
  const version = connection.query<{ data_version: number }, []>('PRAGMA data_version');
  return {
    dataVersion: () => version.get()?.data_version ?? 0,
    database: {
      close: () => connection.close(),
      prepare: (sql) => {
        const statement = connection.prepare<unknown, SQLQueryBindings[]>(sql);
        return {
          reader: statement.columnNames.length > 0,
          all: (parameters) => statement.all(...parameters.map(binding)),
          run: (parameters) => statement.run(...parameters.map(binding)),
          iterate: (parameters) => statement.iterate(...parameters.map(binding)),
        };
      },
    },
  };
}

function connect(path: string): Database {
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would make the file readable by all, which counts where the folder was there before and is open.
    // It gives the files beside it (-wal, -shm) the same rights.
    closeSync(openSync(path, 'a', 0o600));
  }
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
