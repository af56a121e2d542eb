import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { matches, type RequestFilter, requestsIn } from '../kept-request.ts';
import { batchOf } from '../usage-batch.ts';
import type { UsageEvent } from '../usage-event.ts';
import { order, type RequestPlace, SqlRequestStore } from './request-store.ts';
import { storeUsage } from './store-usage.ts';
import { TenantDatabases } from './tenant-databases.ts';
import type { UsageDatabase } from './usage-database.ts';

const SCOPE = { tenant: 't' };
const LAST = 10_000_000;

const name = fc.constantFrom('a', 'b', 'c');
const small = fc.integer({ min: 0, max: 1_000 });
const anyEvent = fc.record({
  ...{ id: fc.uuid(), requestId: fc.uuid(), keyId: name, member: fc.option(name), at: fc.nat(LAST) },
  ...{ model: name, provider: name, tags: fc.uniqueArray(name, { maxLength: 2 }) },
  status: fc.constantFrom(200, 200, 404, 429, 502),
  outcome: fc.constantFrom('done', 'failed', 'rejected'),
  costPico: fc.option(small),
  request: fc.record({
    ...{ durationMs: small, firstEventMs: fc.constant(null), traceId: fc.constant(null) },
    ...{ error: fc.option(fc.constantFrom('model_not_found', 'upstream_error')), count: fc.constant(1) },
  }),
});
const ZEROS = {
  ...{ inputTokens: 1, outputTokens: 1, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  ...{ estimated: false, durationMs: 5, firstEventMs: null, operation: 'chat', upstreamModel: 'up' },
};
const requestEvent: fc.Arbitrary<UsageEvent> = anyEvent.map((event) => ({
  ...{ tenant: 't', ...ZEROS, ...event, requests: event.outcome === 'rejected' ? 0 : 1 },
}));

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`requests on ${backend.name}`, () => {
    let server: TestServer;
    let databases: TenantDatabases;
    let store: SqlRequestStore;
    let usage: UsageDatabase;
    beforeAll(async () => {
      server = await backend.start();
      const placement = { server: '', database: server.freshName() };
      databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      usage = await server.openUsage(placement.database);
      store = new SqlRequestStore(databases);
    });
    afterAll(async () => {
      await usage?.close();
      await databases?.close();
      await server?.dispose();
    });
    const everything = { from: 0, to: LAST + 1 };
    const all: UsageEvent[] = [];
    let batches = 0;
    const add = async (events: readonly UsageEvent[]) => {
      all.push(...events);
      batches += 1;
      await storeUsage(usage, [batchOf(`batch-${batches}`, events)]);
    };
    const pages = async (filter: RequestFilter, limit: number, between?: () => Promise<void>) => {
      const ids: string[] = [];
      let after: RequestPlace | undefined;
      do {
        const page = await store.list(SCOPE, { ...everything, filter, after, limit });
        expect(page.requests.length).toBeLessThanOrEqual(limit);
        ids.push(...page.requests.map(({ main }) => main.id));
        after = page.next;
        await between?.();
      } while (after);
      return ids;
    };
    const expected = (filter: RequestFilter) =>
      requestsIn(all)
        .filter((request) => matches(request, filter))
        .sort((a, b) => order(a.main, b.main))
        .map(({ main }) => main.id);

    test('a list has each request once, newest first, from batches that overlap', async () => {
      // Times of each batch cover the whole range, as those of several gateways do.
      for (const events of fc.sample(fc.array(requestEvent, { minLength: 1, maxLength: 60 }), {
        ...{ numRuns: 15, seed: 4 },
      })) {
        await add(events);
      }
      for (const limit of [1, 7, 1_000]) expect(await pages({}, limit)).toEqual(expected({}));
    });

    test.each<RequestFilter>([
      { user: 'a' },
      { key: 'b', status: 4 },
      { model: 'c', provider: 'a' },
      { tag: 'b', status: 502 },
      { error: 'upstream_error' },
      { minCostPico: 900 },
      { minCostPico: 100, maxCostPico: 200, minDurationMs: 300 },
      { user: 'none' },
    ])('a search finds the same as a scan of all: %j', async (filter) => {
      expect(await pages(filter, 10)).toEqual(expected(filter));
    });

    test('new requests neither repeat nor remove those of later pages', async () => {
      const before = expected({});
      let more = 0;
      const seen = await pages({}, 20, async () => {
        more += 1;
        if (more > 5) return;
        const [event] = fc.sample(requestEvent, 1);
        if (event) await add([{ ...event, at: LAST - more }]);
      });
      // One that ended after the page began may be on a later page, where it belongs.
      expect(seen.filter((id) => before.includes(id))).toEqual(before);
      expect(new Set(seen).size).toBe(seen.length);
    });

    test('attempts of a request are one row, and an id finds all of them in two batches', async () => {
      const [base] = fc.sample(requestEvent, 1);
      if (!base) throw new Error('no event');
      const attempt = (id: string, requests: number, costPico: number): UsageEvent => ({
        ...base,
        ...{ id, requests, costPico, requestId: 'req_two', outcome: 'done', at: LAST, keyId: 'only' },
      });
      await add([attempt('x1', 0, 5)]);
      await add([attempt('x2', 0, 7), attempt('x3', 1, 11)]);
      const page = await store.list(SCOPE, {
        ...everything,
        filter: { key: 'only' },
        after: undefined,
        limit: 5,
      });
      expect(page.requests.map(({ attempts, costPico }) => [attempts.length, costPico])).toEqual([[2, 18]]);
      const found = await store.find(SCOPE, 'req_two');
      expect(found?.attempts.map(({ id }) => id).sort()).toEqual(['x1', 'x2', 'x3']);
      expect(found?.costPico).toBe(23);
      expect(await store.find(SCOPE, 'req_none')).toBeUndefined();
    });

    test('a search reads few of many events, and ends early rather than reading all', async () => {
      const [base] = fc.sample(requestEvent, 1);
      if (!base) throw new Error('no event');
      for (let batch = 0; batch < 60; batch += 1) {
        const events = Array.from(
          { length: 1_000 },
          (_, index): UsageEvent => ({
            ...base,
            ...{ id: `${batch}-${index}`, requestId: `r${batch}-${index}`, keyId: 'many', provider: 'p' },
            ...{ member: null, status: 200, outcome: 'done', requests: 1, at: batch * 1_000 + index },
          }),
        );
        await storeUsage(usage, [batchOf(`many-${String(batch).padStart(3, '0')}`, events)]);
      }
      const query = { ...everything, after: undefined, limit: 50 };
      const [one] = [await store.list(SCOPE, { ...query, filter: { id: 'r7-123', key: 'many' } })];
      expect(one.requests.map(({ main }) => main.requestId)).toEqual(['r7-123']);
      // The batch that has it, and the few that seem to.
      expect(one.read).toBeLessThan(5_000);
      const recent = await store.list(SCOPE, { ...query, to: 60_000, filter: { key: 'many' } });
      expect(recent.requests).toHaveLength(50);
      expect(recent.read).toBeLessThan(5_000);
      // Each batch may have it, and none does.
      const none = { key: 'many', model: base.model, provider: 'p', maxCostPico: -1 };
      const page = await store.list(SCOPE, { ...query, to: 60_000, filter: none });
      expect(page).toMatchObject({ requests: [], isPartial: true });
      expect(page.read).toBeLessThanOrEqual(51_000);
      const rest = await store.list(SCOPE, { ...query, to: 60_000, filter: none, after: page.next });
      expect(rest).toMatchObject({ requests: [], next: undefined, isPartial: false });
    }, 60_000);
  });
}
