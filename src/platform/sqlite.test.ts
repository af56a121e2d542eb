import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from './sqlite.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-sqlite-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rightsOf = (path: string) => statSync(path).mode & 0o777;

function write(path: string) {
  const { database } = openSqlite(path);
  database.prepare('CREATE TABLE IF NOT EXISTS t (x)').run([]);
  return database;
}

describe.skipIf(process.platform === 'win32')('the rights of database files', () => {
  test('a new folder and all files in it are for their owner only', () => {
    const path = join(folder, 'data', 'control.sqlite');
    const database = write(path);
    expect(rightsOf(join(folder, 'data'))).toBe(0o700);
    const files = readdirSync(join(folder, 'data')).sort();
    expect(files).toEqual(['control.sqlite', 'control.sqlite-shm', 'control.sqlite-wal']);
    expect(files.map((name) => rightsOf(join(folder, 'data', name)))).toEqual([0o600, 0o600, 0o600]);
    database.close();
  });

  test('so are files in a folder that was open to others', () => {
    chmodSync(folder, 0o755);
    const database = write(join(folder, 'control.sqlite'));
    expect(rightsOf(join(folder, 'control.sqlite'))).toBe(0o600);
    database.close();
  });

  test('what a file holds, and the rights that its owner gave it, stay', () => {
    const path = join(folder, 'control.sqlite');
    write(path).close();
    chmodSync(path, 0o640);
    const { database } = openSqlite(path);
    expect(database.prepare('SELECT name FROM sqlite_master').all([])).toEqual([{ name: 't' }]);
    expect(rightsOf(path)).toBe(0o640);
    database.close();
  });
});
