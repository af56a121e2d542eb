import { describe, expect, test } from 'bun:test';
import { BACKENDS, type TestBackend } from '../../../test/support/database-servers.ts';
import {
  responseStoreConformance,
  storedResponse,
} from '../../../test/support/response-store-conformance.ts';
import { MemoryResponseStore } from '../memory-response-store.ts';
import type { TenantScope } from '../tenant-scope.ts';
import { openControlDatabase } from './control-database.ts';
import { deleteExpiredResponses, deleteOldResponses } from './old-data.ts';
import { TenantDatabases } from './tenant-databases.ts';
import { moveResponses, TenantResponseStore } from './tenant-response-store.ts';

const TENANTS = ['a', 'b'];

/** Databases of the tenants `a` and `b`. */
async function inDatabases(backend: TestBackend) {
  const server = await backend.start();
  const { db: control, close } = await openControlDatabase(server.connect());
  const names = new Map(TENANTS.map((tenant) => [tenant, server.freshName()]));
  const databases = new TenantDatabases({
    servers: new Map([['', server.connect()]]),
    placementOf: ({ tenant }) => {
      const database = names.get(tenant);
      return database === undefined ? undefined : { server: '', database };
    },
    maxConnections: 10,
  });
  for (const database of names.values()) await databases.create({ server: '', database });
  return {
    ...{ control, databases },
    store: new TenantResponseStore(databases, control),
    close: async () => {
      await databases.close();
      await close();
      await server.dispose();
    },
  };
}

responseStoreConformance('memory', async () => ({
  store: new MemoryResponseStore(),
  close: async () => undefined,
}));

const A = { tenant: 'a' };
const B = { tenant: 'b' };

for (const backend of BACKENDS) {
  if (!backend.available) continue;
  responseStoreConformance(backend.name, () => inDatabases(backend));

  describe(`responses on ${backend.name}`, () => {
    test('are deleted when they have expired, or are older than their retention', async () => {
      const { store, databases, close } = await inDatabases(backend);
      const output = (id: string) => ({ response: { id, output: [{ id: `item of ${id}` }] } });
      const young = { expiresAt: 9_000, ...output('young') };
      await store.put(A, [storedResponse('old', output('old')), storedResponse('young', young)]);
      const items = () => databases.use(A, (db) => db.selectFrom('response_items').select('id').execute());
      await store.put(B, [storedResponse('older', { expiresAt: 1_900 })]);
      const expired = (scope: TenantScope) => databases.use(scope, (db) => deleteExpiredResponses(db, 2_000));
      expect([await expired(A), await expired(B)]).toEqual([1, 1]);
      expect([await expired(A), await expired(B)]).toEqual([0, 0]);
      expect(await store.get(A, 'young', 2_000)).toBeDefined();
      expect(await items()).toEqual([{ id: 'item of young' }]);
      const old = (before: number) => databases.use(A, (db) => deleteOldResponses(db, before));
      expect([await old(1_000), await old(1_001), await old(1_001)]).toEqual([0, 1, 0]);
      expect(await items()).toEqual([]);
      await close();
    });

    test('of earlier versions are found, deleted, and moved to the databases of their tenants', async () => {
      const { store, control, databases, close } = await inDatabases(backend);
      const row = (tenant: string, id: string) => ({
        ...{ tenant, id, created_at: 1_000, expires_at: 2_000, native: 0 },
        ...{ input: '[]', response: JSON.stringify({ of: 'old' }) },
      });
      const many = Array.from({ length: 120 }, (_, at) => row(at % 2 === 0 ? 'a' : 'b', `r${at}`));
      await control
        .insertInto('responses')
        .values([...many, row('gone', 'x'), row('a', 'both')])
        .execute();
      await store.put(A, [storedResponse('both', { response: { of: 'new' } })]);
      expect((await store.get(A, 'r0', 1_500))?.response).toEqual({ of: 'old' });
      expect(await store.get(B, 'r0', 1_500)).toBeUndefined();
      expect([await store.delete(A, 'r0'), await store.delete(A, 'r0')]).toEqual([true, false]);

      const counts: number[] = [];
      do counts.push(await moveResponses(control, databases, (tenant) => TENANTS.includes(tenant)));
      while (counts.at(-1) !== 0);
      expect(counts.reduce((sum, count) => sum + count)).toBe(121);
      expect(await control.selectFrom('responses').selectAll().execute()).toEqual([]);
      expect((await store.get(B, 'r119', 1_500))?.response).toEqual({ of: 'old' });
      expect((await store.get(A, 'both', 1_500))?.response).toEqual({ of: 'new' });
      expect(await store.get(A, 'r0', 1_500)).toBeUndefined();
      await close();
    });
  });
}

test('a damaged row is an error, not an absent response', async () => {
  const [sqlite] = BACKENDS;
  if (!sqlite) throw new Error('no SQLite');
  const { databases, store, close } = await inDatabases(sqlite);
  await store.put(A, [storedResponse('r')]);
  await databases.use(A, (db) => db.updateTable('responses').set({ input: '{"no":"list"}' }).execute());
  const failure = await store.get(A, 'r', 1_500).catch((error: unknown) => error);
  expect(String(failure)).toContain('the stored response r is damaged');
  await close();
});
