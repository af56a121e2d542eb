import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { RemoteSqliteServer } from './remote-server.ts';
import { SqlSessions } from './sql-sessions.ts';
import { SqliteServer } from './sqlite-server.ts';

interface Tables {
  readonly items: { readonly id: number; readonly name: string; readonly bytes: Uint8Array | null };
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A database that this process has open, as another process uses it. */
async function opened() {
  const folder = mkdtempSync(join(tmpdir(), 'weir-sessions-'));
  const server = new SqliteServer(folder);
  await server.create('weir_a');
  const local = await server.open<Tables>('weir_a');
  await local.db.schema
    .createTable('items')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text')
    .addColumn('bytes', 'blob')
    .execute();
  const clock = new FakeClock();
  const sessions = new SqlSessions({ clock, use: (_, work) => work(local.db) });
  const remote = await new RemoteSqliteServer({
    run: (statement) => sessions.run(statement),
    begin: (database) => sessions.begin(database),
    end: (transaction, commits) => sessions.end(transaction, commits),
  }).open<Tables>('weir_a');
  closers.push(async () => {
    await local.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const names = async () =>
    (await local.db.selectFrom('items').select('name').orderBy('id').execute()).map(({ name }) => name);
  return { clock, local, remote, sessions, names };
}

test('statements return their rows and the number of changed ones', async () => {
  const { remote, names } = await opened();
  const bytes = new Uint8Array([1, 2, 3]);
  await remote.db.insertInto('items').values({ id: 1, name: 'a', bytes }).execute();
  const row = await remote.db.selectFrom('items').selectAll().executeTakeFirst();
  expect(row).toEqual({ id: 1, name: 'a', bytes });
  const { numUpdatedRows } = await remote.db
    .updateTable('items')
    .set({ name: 'b' })
    .executeTakeFirstOrThrow();
  expect(numUpdatedRows).toBe(1n);
  expect(await names()).toEqual(['b']);
  expect(remote.db.selectFrom('items').select('id').where('id', '=', 1).executeTakeFirst()).resolves.toEqual({
    id: 1,
  });
});

test('a transaction commits or rolls back as a whole, and others wait for its end', async () => {
  const { remote, local, names } = await opened();
  const insert = (id: number) => ({ id, name: `n${id}`, bytes: null });
  const failed = remote.db.transaction().execute(async (transaction) => {
    await transaction.insertInto('items').values(insert(1)).execute();
    throw new Error('not this one');
  });
  expect(failed).rejects.toThrow('not this one');
  const first = remote.db.transaction().execute(async (transaction) => {
    await transaction.insertInto('items').values(insert(2)).execute();
    await Promise.resolve();
    await transaction.insertInto('items').values(insert(3)).execute();
  });
  const second = local.db.insertInto('items').values(insert(4)).execute();
  await Promise.all([first, second]);
  expect(await names()).toEqual(['n2', 'n3', 'n4']);
});

test('an error of a statement has its code, and the transaction goes no further', async () => {
  const { remote, names } = await opened();
  const work = remote.db.transaction().execute(async (transaction) => {
    await transaction.insertInto('items').values({ id: 1, name: 'a', bytes: null }).execute();
    await transaction.insertInto('items').values({ id: 1, name: 'b', bytes: null }).execute();
  });
  const error = await work.catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: expect.stringContaining('SQLITE_CONSTRAINT') });
  expect(await names()).toEqual([]);
});

test('the transaction of a process that ends is rolled back, and so is one that takes too long', async () => {
  const { clock, sessions, local, names } = await opened();
  const run = (transaction: number, id: number) =>
    sessions.run({
      database: 'weir_a',
      transaction,
      sql: `INSERT INTO items (id, name) VALUES (${id}, 'x')`,
      parameters: [],
    });
  const late = await sessions.begin('weir_a');
  await run(late, 1);
  clock.advance(10_000);
  await local.db.insertInto('items').values({ id: 5, name: 'kept', bytes: null }).execute();
  expect(run(late, 2)).rejects.toThrow('has ended');
  const open = await sessions.begin('weir_a');
  await run(open, 3);
  sessions.close();
  await local.db.insertInto('items').values({ id: 6, name: 'too', bytes: null }).execute();
  expect(await names()).toEqual(['kept', 'too']);
  expect(sessions.begin('weir_a')).rejects.toThrow('has ended');
});
