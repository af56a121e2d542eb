import { expect, test } from 'bun:test';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type KeyStoreBackend,
  keyStoreConformance,
  storedKey,
} from '../../../test/support/key-store-conformance.ts';
import { openSqlite } from '../../platform/sqlite.ts';
import { openControlDatabase } from './control-database.ts';
import { SqlKeyStore } from './sql-key-store.ts';

async function backendAt(path: string, cleanUp: () => Promise<void>): Promise<KeyStoreBackend> {
  const closers: (() => Promise<void>)[] = [];
  return {
    connect: async () => {
      const { database, dataVersion } = openSqlite(path);
      const db = await openControlDatabase(database);
      closers.push(() => db.destroy());
      return new SqlKeyStore(db, dataVersion);
    },
    close: async () => {
      for (const close of closers) await close();
      await cleanUp();
    },
  };
}

async function inDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-keys-'));
  return {
    path: join(directory, 'made', 'control.db'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

keyStoreConformance('SQLite in memory', false, () => backendAt(':memory:', async () => undefined));
keyStoreConformance('SQLite in a file', true, async () => {
  const { path, remove } = await inDirectory();
  return backendAt(path, remove);
});

test('keys outlive the connection, and opening again changes nothing', async () => {
  const { path, remove } = await inDirectory();
  const first = await backendAt(path, async () => undefined);
  await (await first.connect()).insert(storedKey('a'));
  await first.close();
  const second = await backendAt(path, remove);
  expect(await (await second.connect()).list()).toEqual([storedKey('a')]);
  await second.close();
});

test('the folder is its owner’s alone', async () => {
  const { path, remove } = await inDirectory();
  const backend = await backendAt(path, remove);
  await backend.connect();
  expect((await stat(join(path, '..'))).mode & 0o077).toBe(0);
  await backend.close();
});

test('a file that is no database is refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-keys-'));
  const path = join(directory, 'control.db');
  await writeFile(path, 'not a database '.repeat(100));
  const backend = await backendAt(path, () => rm(directory, { recursive: true, force: true }));
  expect(
    await backend.connect().then(
      () => 'opened',
      () => 'refused',
    ),
  ).toBe('refused');
  await backend.close();
});
