import { constants, Database } from 'bun:sqlite';
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SqliteDatabase } from 'kysely';
import { bindings, DatabaseFileError } from './sqlite.ts';

/**
 * Opens an existing SQLite file for reading. Neither the file nor its folder is changed.
 * @param inUse whether a process may write the file now; then its companion files are shared with that process
 * @throws DatabaseFileError when the file cannot be opened or is not a database
 */
export function openSqliteReadOnly(path: string, inUse: boolean): SqliteDatabase {
  try {
    const { connection, afterClose } = connect(path, inUse);
    // Reads the header, so that a file that is no database fails here.
    connection.query('PRAGMA schema_version').get();
    return {
      close: () => {
        connection.close();
        afterClose?.();
      },
      prepare: (sql) => {
        const statement = connection.prepare(sql);
        return {
          reader: statement.columnNames.length > 0,
          all: (parameters) => statement.all(...bindings(parameters)),
          run: (parameters) => statement.run(...bindings(parameters)),
          iterate: (parameters) => statement.iterate(...bindings(parameters)),
        };
      },
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseFileError(`Can't read the database ${path}: ${reason}`, { cause });
  }
}

function connect(path: string, inUse: boolean): { connection: Database; afterClose?: () => void } {
  if (inUse) return { connection: new Database(path, { readonly: true, strict: true }) };
  if (!hasLog(path)) {
    // Without this option, SQLite would create the companion files of its log.
    const url = `${pathToFileURL(path).href}?immutable=1`;
    return { connection: new Database(url, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI) };
  }
  // A crash has left a log, which SQLite would move into the file.
  const folder = mkdtempSync(join(tmpdir(), 'weir-read-'));
  const copy = join(folder, basename(path));
  const afterClose = () => rmSync(folder, { recursive: true, force: true });
  try {
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix);
    return { connection: new Database(copy, { readwrite: true, create: false, strict: true }), afterClose };
  } catch (error) {
    afterClose();
    throw error;
  }
}

function hasLog(path: string): boolean {
  return existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
}
