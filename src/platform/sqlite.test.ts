import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import { copySqlite, DatabaseFileError, isSqliteInUse, openSqlite, openSqliteCopy } from './sqlite.ts';

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

describe('copies', () => {
  test('contain all that was committed, while the original is open, and have no companion files', () => {
    const path = join(folder, 'a.sqlite');
    const database = write(path);
    database.prepare('INSERT INTO t VALUES (?)').run(['kept']);
    const copy = join(folder, 'copy', 'b.sqlite');
    copySqlite(path, copy);
    database.prepare('INSERT INTO t VALUES (?)').run(['later']);
    const opened = openSqliteCopy(copy).database;
    expect(opened.prepare('SELECT x FROM t').all([])).toEqual([{ x: 'kept' }]);
    expect(readdirSync(join(folder, 'copy'))).toEqual(['b.sqlite']);
    opened.close();
    database.close();
  });

  test('of a file that does not exist or is not a database fail with the reason', () => {
    expect(() => copySqlite(join(folder, 'none.sqlite'), join(folder, 'copy.sqlite'))).toThrow(
      DatabaseFileError,
    );
    const text = join(folder, 'text.sqlite');
    writeFileSync(text, 'x'.repeat(5_000));
    expect(() => copySqlite(text, join(folder, 'copy.sqlite'))).toThrow('not a database');
  });
});

test('a file is in use until every connection to it is closed', () => {
  const path = join(folder, 'a.sqlite');
  const one = write(path);
  const other = openSqlite(path).database;
  other.prepare('SELECT x FROM t').all([]);
  expect(isSqliteInUse(path)).toBe(true);
  one.close();
  expect(isSqliteInUse(path)).toBe(true);
  other.close();
  expect(isSqliteInUse(path)).toBe(false);
  // The log went into the file with the last connection.
  expect(readdirSync(folder)).toEqual(['a.sqlite']);
});

test('statements survive a change of the schema', () => {
  const { database } = openSqlite(join(folder, 'a.sqlite'));
  database.prepare('CREATE TABLE t (x)').run([]);
  database.prepare('INSERT INTO t VALUES (?)').run([1]);
  database.prepare('ALTER TABLE t ADD COLUMN y').run([]);
  database.prepare('INSERT INTO t VALUES (?, ?)').run([2, 3]);
  expect(database.prepare('SELECT * FROM t').all([])).toEqual([
    { x: 1, y: null },
    { x: 2, y: 3 },
  ]);
  database.close();
});

test('a transaction that a full disk rolls back fails with its cause, and the next one works', async () => {
  const path = join(folder, 'a.sqlite');
  const failures: unknown[] = [];
  const { database } = openSqlite(path, { writeFailed: (failed, error) => failures.push([failed, error]) });
  const db = new Kysely<{ t: { x: string } }>({ dialect: new SqliteDialect({ database }) });
  await db.schema.createTable('t').addColumn('x', 'text').execute();
  // SQLite's own limit fails as a full disk does.
  database.prepare('PRAGMA max_page_count = 10').all([]);
  const filled = db.transaction().execute(async (transaction) => {
    for (let row = 0; row < 100; row += 1) {
      await transaction
        .insertInto('t')
        .values({ x: 'x'.repeat(1_000) })
        .execute();
    }
  });
  await expect(filled).rejects.toMatchObject({ code: 'SQLITE_FULL' });
  expect(failures).toEqual([[path, expect.objectContaining({ code: 'SQLITE_FULL' })]]);
  await db
    .transaction()
    .execute((transaction) => transaction.insertInto('t').values({ x: 'small' }).execute());
  expect(await db.selectFrom('t').selectAll().execute()).toEqual([{ x: 'small' }]);
  await db.destroy();
});
