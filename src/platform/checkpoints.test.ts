import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SqliteDatabase } from 'kysely';
import { Checkpoints } from './checkpoints.ts';
import { openSqlite } from './sqlite.ts';

const MIB = 1024 * 1024;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-checkpoints-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes until the condition holds, less than the size at which the writer checkpoints. */
async function writeUntil(
  database: SqliteDatabase,
  holds: () => boolean,
  next: () => void,
): Promise<{ readonly count: number; readonly length: number }> {
  const insert = database.prepare('INSERT INTO notes VALUES (?)');
  const deadline = performance.now() + 20_000;
  let [count, length] = [0, 0];
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('the log was not moved into the file');
    const size = count < 40 ? MIB / 4 : 1;
    insert.run(['x'.repeat(size)]);
    count += 1;
    length += size;
    next();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { count, length };
}

describe('logs of databases', () => {
  test('are moved into the file by a thread, while the database is in use', async () => {
    const path = join(folder, 'used.sqlite');
    let now = 0;
    const { database } = openSqlite(path, new Checkpoints(undefined, () => now));
    database.prepare('CREATE TABLE notes (text TEXT)').run([]);
    const written = await writeUntil(
      database,
      () => statSync(path).size >= 3 * MIB,
      () => {
        now += 1_000;
      },
    );
    const rows = database.prepare('SELECT count(*) AS count, sum(length(text)) AS length FROM notes').all([]);
    expect(rows).toEqual([written]);
    database.close();
    const again = openSqlite(path);
    expect(again.database.prepare('SELECT count(*) AS count FROM notes').all([])).toEqual([
      { count: written.count },
    ]);
    again.database.close();
  });

  test('are checked once a second, and moved when they are long', () => {
    const asked: string[] = [];
    let now = 0;
    let started = 0;
    let fail: () => void = () => undefined;
    const checkpoints = new Checkpoints(
      (onFailed) => {
        started += 1;
        fail = onFailed;
        return { checkpoint: (path) => asked.push(path) };
      },
      () => now,
    );
    const path = join(folder, 'log.sqlite');
    checkpoints.wrote(path);
    writeFileSync(`${path}-wal`, Buffer.alloc(MIB));
    now += 1_000;
    checkpoints.wrote(path);
    expect([asked, started]).toEqual([[], 0]);
    writeFileSync(`${path}-wal`, Buffer.alloc(3 * MIB));
    checkpoints.wrote(path);
    now += 999;
    checkpoints.wrote(path);
    expect(asked).toEqual([]);
    now += 1;
    checkpoints.wrote(path);
    expect([asked, started]).toEqual([[path], 1]);
    fail();
    now += 1_000;
    checkpoints.wrote(path);
    expect([asked, started]).toEqual([[path, path], 2]);
    checkpoints.closed(path);
    checkpoints.wrote(path);
    expect(asked).toHaveLength(3);
  });

  test('of deleted databases are ignored', async () => {
    const path = join(folder, 'gone.sqlite');
    let now = 0;
    const checkpoints = new Checkpoints(undefined, () => now);
    writeFileSync(`${path}-wal`, Buffer.alloc(3 * MIB));
    checkpoints.wrote(path);
    const other = join(folder, 'other.sqlite');
    const { database } = openSqlite(other, checkpoints);
    database.prepare('CREATE TABLE notes (text TEXT)').run([]);
    // The thread has outlived the first.
    await writeUntil(
      database,
      () => statSync(other).size >= 2 * MIB,
      () => {
        now += 1_000;
      },
    );
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
    database.close();
  });
});
