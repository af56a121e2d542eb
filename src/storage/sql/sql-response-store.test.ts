import { expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../../test/support/database-servers.ts';
import {
  responseStoreConformance,
  storedResponse,
} from '../../../test/support/response-store-conformance.ts';
import { MemoryResponseStore } from '../memory-response-store.ts';
import { openControlDatabase } from './control-database.ts';
import { SqlResponseStore } from './sql-response-store.ts';

async function inDatabase(backend: TestBackend) {
  const server = await backend.start();
  const { db, close } = await openControlDatabase(server.connect());
  return {
    db,
    store: new SqlResponseStore(db),
    close: async () => {
      await close();
      await server.dispose();
    },
  };
}
const [sqlite] = BACKENDS;
if (!sqlite) throw new Error('no SQLite');

responseStoreConformance('memory', async () => ({
  store: new MemoryResponseStore(),
  close: async () => undefined,
}));
for (const backend of BACKENDS) {
  if (backend.available) responseStoreConformance(backend.name, () => inDatabase(backend));
}

test('a damaged row is an error, not an absent response', async () => {
  const { db, store, close } = await inDatabase(sqlite);
  const scope = { tenant: 'a' };
  await store.put([{ scope, stored: storedResponse('r') }]);
  await db.updateTable('responses').set({ input: '{"no":"list"}' }).execute();
  const failure = await store.get(scope, 'r', 1_500).catch((error: unknown) => error);
  expect(String(failure)).toContain('the stored response r is damaged');
  await close();
});
