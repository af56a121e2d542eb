import { expect, test } from 'bun:test';
import {
  responseStoreConformance,
  storedResponse,
} from '../../../test/support/response-store-conformance.ts';
import { openSqlite } from '../../platform/sqlite.ts';
import { MemoryResponseStore } from '../memory-response-store.ts';
import { openControlDatabase } from './control-database.ts';
import { SqlResponseStore } from './sql-response-store.ts';

async function inSqlite() {
  const db = await openControlDatabase(openSqlite(':memory:').database);
  return { db, store: new SqlResponseStore(db), close: () => db.destroy() };
}

responseStoreConformance('memory', async () => ({
  store: new MemoryResponseStore(),
  close: async () => undefined,
}));
responseStoreConformance('SQLite', inSqlite);

test('a row that is damaged is an error, not an absence', async () => {
  const { db, store, close } = await inSqlite();
  const scope = { tenant: 'a' };
  await store.put([{ scope, stored: storedResponse('r') }]);
  await db.updateTable('responses').set({ input: '{"no":"list"}' }).execute();
  const failure = await store.get(scope, 'r', 1_500).catch((error: unknown) => error);
  expect(String(failure)).toContain('the stored response r is damaged');
  await close();
});
