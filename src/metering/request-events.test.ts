import { describe, expect, test } from 'bun:test';
import { BACKENDS } from '../../test/support/database-servers.ts';
import { isDurableEvent } from '../events/catalogue.ts';
import { contractOf } from '../events/stored-event.ts';
import { storeUsage } from '../storage/sql/store-usage.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { batchOf } from '../storage/usage-batch.ts';
import { REJECTED, type UsageEvent } from '../storage/usage-event.ts';
import { requestEvents } from './request-events.ts';

let ids = 0;
const usage = (more: Partial<UsageEvent>): UsageEvent => {
  ids += 1;
  return {
    ...{ id: `u${ids}`, requestId: `req_${ids}`, tenant: 'acme', at: 1_000, keyId: 'k', member: null },
    ...{ model: 'fast', provider: 'east', upstreamModel: 'm', operation: 'chat', tags: [] },
    ...{ status: 200, outcome: 'done', requests: 1, inputTokens: 1, outputTokens: 1, cachedTokens: 0 },
    ...{ cacheWriteTokens: 0, reasoningTokens: 0, costPico: null, estimated: false, durationMs: 10 },
    firstEventMs: null,
    ...more,
  };
};
const factsOf = (count: number) => ({ durationMs: 5, firstEventMs: null, error: null, traceId: null, count });

test('failed and slow requests are one event for each model and status', () => {
  const derived = requestEvents([
    usage({}),
    usage({ status: 429 }),
    ...Array.from({ length: 7 }, () => usage({ status: 502 })),
    // A further attempt of a request that counts already.
    usage({ status: 502, requests: 0 }),
    usage({ status: 503, provider: '', outcome: REJECTED, requests: 0, request: factsOf(3) }),
    usage({
      status: 400,
      provider: '',
      outcome: REJECTED,
      requests: 0,
      request: { ...factsOf(2), error: 'guardrail_blocked' },
    }),
    usage({ durationMs: 61_000 }),
    usage({ durationMs: 75_000.4 }),
  ]);
  const found = derived.map(({ name, data }) => [name, JSON.parse(data)]);
  expect(found).toMatchObject([
    ['request.failed', { model: 'fast', provider: 'east', status: 502, count: 7 }],
    ['request.failed', { provider: '', status: 503, count: 3 }],
    ['request.slow', { model: 'fast', duration_ms: 75_000, count: 2 }],
    ['guardrail.blocked', { model: 'fast', count: 2 }],
  ]);
  expect(found[0]?.[1].request_ids).toHaveLength(5);
  for (const { name, version, data } of derived) {
    if (!isDurableEvent(name)) throw new Error(name);
    const contract = contractOf(name);
    expect(contract.data.parse(JSON.parse(data))).toBeDefined();
    expect(version).toBe(contract.version);
  }
});

test('an outage of everything makes a bounded number of events', () => {
  const all = Array.from({ length: 500 }, (_, index) => usage({ status: 500, model: `m${index}` }));
  expect(requestEvents(all)).toHaveLength(20);
});

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`events of usage on ${backend.name}`, () => {
    test('are stored with the usage, once for each request, however often a batch arrives', async () => {
      const server = await backend.start();
      const placement = { server: '', database: server.freshName() };
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      const database = await server.openUsage(placement.database);
      const first = [usage({ status: 500 }), usage({})];
      const grown = [...first, usage({ status: 500 })];
      const counts = [];
      for (const events of [first, first, grown, grown]) {
        counts.push(await storeUsage(database, [batchOf('b', events)], requestEvents));
      }
      expect(counts).toEqual([1, 0, 1, 0]);
      const rows = await databases.use({ tenant: 'acme' }, (db) =>
        db.selectFrom('events').selectAll().orderBy('sequence').execute(),
      );
      expect(
        rows.map(({ sequence, position, name, data }) => [sequence, position, name, JSON.parse(data).count]),
      ).toEqual([
        [1, 0, 'request.failed', 1],
        [2, 0, 'request.failed', 1],
      ]);
      expect(new Set(rows.map(({ id }) => id)).size).toBe(2);
      await database.close();
      await databases.close();
      await server.dispose();
    });
  });
}
