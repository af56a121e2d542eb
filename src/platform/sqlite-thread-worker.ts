import { Database, type SQLQueryBindings } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { SqliteStatementCall, SqliteThreadOptions } from './sqlite-thread.ts';

/** The thread of `SqliteThread`. */

const options: SqliteThreadOptions = workerData;

function open(): Database {
  mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  const database = new Database(options.path, { create: true, readwrite: true, strict: true });
  chmodSync(options.path, 0o600);
  database.exec('PRAGMA busy_timeout = 1000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  database.loadExtension(options.extension);
  return database;
}

function run(connection: Database, calls: readonly SqliteStatementCall[]): unknown[] {
  return connection.transaction(() =>
    calls.map(({ sql, params = [] }) => {
      const bound: SQLQueryBindings[] = params.map((value) =>
        value instanceof Float32Array
          ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
          : value,
      );
      return connection.query(sql).all(...bound);
    }),
  )();
}

/** Opens the database with the first statements; a failure is reported with each, and tried again. */
function serve(port: MessagePort): void {
  let database: Database | undefined;
  port.on('message', ({ id, calls }: { id: number; calls: readonly SqliteStatementCall[] }) => {
    try {
      database ??= open();
      port.postMessage({ id, rows: run(database, calls) });
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}

if (parentPort) serve(parentPort);
