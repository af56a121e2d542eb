import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { batchOf } from '../usage-batch.ts';
import type { UsageEvent } from '../usage-event.ts';
import { openControlDatabase } from './control-database.ts';
import { storeUsage } from './store-usage.ts';
import { TenantDatabases } from './tenant-databases.ts';
import { copyUsageDays, deleteUsageCopies, summariseTenants } from './usage-copies.ts';

const DAY = 86_400_000;
const FROM = Date.UTC(2026, 10);
const TO = Date.UTC(2026, 11);
/** More than a number represents exactly, together with others. */
const COST = 9_007_199_254_740_991;

function event(tenant: string, id: string, at: number, more: Partial<UsageEvent> = {}): UsageEvent {
  return {
    ...{ id, tenant, requestId: id, at, keyId: 'k', member: null, model: 'm', provider: 'p' },
    ...{ upstreamModel: 'm', operation: 'chat', tags: [], status: 200, outcome: 'done', requests: 1 },
    ...{ inputTokens: 1, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
    ...{ costPico: COST, estimated: false, durationMs: 5, firstEventMs: null, ...more },
  };
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`daily sums of all tenants on ${backend.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await backend.start();
    });
    afterAll(() => server?.dispose());

    test('come from batches whose numbers rise with each change, also late ones', async () => {
      // Before the first tenant's database, as at a first start.
      await (await openControlDatabase(server.connect())).close();
      const database = server.freshName();
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => ({ server: '', database }),
        maxConnections: 2,
      });
      await databases.create({ server: '', database });
      const usage = await server.openUsage(database);
      const one = event('a', '1', FROM);
      await storeUsage(usage, [batchOf('one', [one]), batchOf('two', [event('a', '2', FROM - DAY)])]);
      await storeUsage(usage, [batchOf('one', [one, event('a', '3', FROM)])]);
      await usage.close();
      const rows = await databases.use({ tenant: 'a' }, (db) =>
        db.selectFrom('usage_batches').select(['id', 'sequence']).orderBy('id').execute(),
      );
      expect(rows.map(({ id, sequence }) => [id, Number(sequence)])).toEqual([
        ['one', FROM + 2],
        ['two', FROM + 1],
      ]);
      await databases.close();
    });

    test('are copied exactly, again after late usage, never by an older copy, and read by one query', async () => {
      const { db: control, close } = await openControlDatabase(server.connect());
      const names = new Map(['a', 'b'].map((tenant) => [tenant, server.freshName()]));
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: ({ tenant }) => ({ server: '', database: names.get(tenant) ?? '' }),
        maxConnections: 4,
      });
      for (const database of names.values()) await databases.create({ server: '', database });
      const store = async (tenant: string, id: string, events: readonly UsageEvent[]) => {
        const usage = await server.openUsage(names.get(tenant) ?? '');
        await storeUsage(usage, [batchOf(id, events)]);
        await usage.close();
      };
      const copy = (tenant: string) => copyUsageDays(control, databases, tenant);
      let queries = 0;
      const counted = control.withPlugin({
        transformQuery: ({ node }) => {
          queries += 1;
          return node;
        },
        transformResult: async ({ result }) => result,
      });
      const read = async () =>
        (await summariseTenants(counted, { from: FROM, to: TO, groupBy: ['tenant'] })).map(
          ({ by, sums: { requests, cost_pico } }) => [by.tenant, requests, cost_pico] as const,
        );
      const cost = BigInt(COST);
      await store('a', 'one', [event('a', '1', FROM), event('a', '2', FROM), event('a', '3', FROM + DAY)]);
      await store('b', 'one', [event('b', '1', FROM + 2 * DAY), event('b', '2', TO)]);
      expect(await read()).toEqual([]);
      expect([await copy('a'), await copy('b')]).toEqual([2, 2]);
      expect(await read()).toEqual([
        ['a', 3n, 3n * cost],
        ['b', 1n, cost],
      ]);
      // Whatever the number of tenants.
      expect(queries).toBe(2);
      // Nothing has changed.
      expect([await copy('a'), await copy('b')]).toEqual([0, 0]);
      // Usage of a gateway that was killed arrives days later.
      await store('a', 'late', [event('a', '9', FROM, { model: 'other' })]);
      expect(await copy('a')).toBe(1);
      expect((await read())[0]).toEqual(['a', 4n, 4n * cost]);
      // A process that was killed between the copy and its mark repeats it; one that read an older state changes nothing.
      await databases.use({ tenant: 'a' }, (db) => db.updateTable('usage_days').set({ copied: 0 }).execute());
      await control
        .updateTable('tenant_usage_days')
        .set({ changes: 100 })
        .where('tenant', '=', 'a')
        .execute();
      expect(await copy('a')).toBe(2);
      expect((await read())[0]).toEqual(['a', 4n, 4n * cost]);
      await deleteUsageCopies(control, 'a', FROM + DAY);
      expect((await read())[0]).toEqual(['a', 1n, cost]);
      await deleteUsageCopies(control, 'a');
      expect(await read()).toEqual([['b', 1n, cost]]);
      await databases.close();
      await close();
    });
  });
}
