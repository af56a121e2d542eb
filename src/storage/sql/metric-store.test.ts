import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { SKETCH_ERROR } from '../quantile-sketch.ts';
import { batchOf } from '../usage-batch.ts';
import type { UsageEvent } from '../usage-event.ts';
import { type MetricPoint, SqlMetricStore } from './metric-store.ts';
import { deleteOldMinutes } from './old-data.ts';
import { storeUsage } from './store-usage.ts';
import { TenantDatabases } from './tenant-databases.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SCOPE = { tenant: 't' };

const name = fc.constantFrom('a', 'b', 'ü "quoted"\n', "x'); DROP TABLE usage_metrics; --");
const ms = fc.integer({ min: 0, max: 100_000 });
const event: fc.Arbitrary<UsageEvent> = fc.record({
  ...{ id: fc.uuid(), tenant: fc.constant('t'), requestId: fc.uuid(), keyId: name, member: fc.option(name) },
  at: fc.integer({ min: 0, max: 2 * DAY - 1 }),
  ...{ model: name, provider: name, upstreamModel: name, operation: fc.constant('chat') },
  tags: fc.uniqueArray(name, { maxLength: 2 }),
  status: fc.constantFrom(200, 200, 429, 499, 502),
  outcome: fc.constantFrom('done', 'failed', 'cached', 'lost', 'rejected', 'client_gone'),
  requests: fc.constantFrom(0, 1),
  ...{ inputTokens: ms, outputTokens: ms, cachedTokens: ms, cacheWriteTokens: ms, reasoningTokens: ms },
  costPico: fc.option(fc.integer({ min: 0, max: 9_000_000_000_000 })),
  ...{ estimated: fc.boolean(), durationMs: ms, firstEventMs: fc.option(ms) },
  request: fc.record({
    ...{ durationMs: ms, firstEventMs: fc.option(ms), error: fc.constant(null), traceId: fc.constant(null) },
    count: fc.integer({ min: 1, max: 5 }),
  }),
});

const sum = (events: readonly UsageEvent[], of: (one: UsageEvent) => number) =>
  events.reduce((total, one) => total + BigInt(of(one)), 0n);
const attempts = (events: readonly UsageEvent[]) => events.filter(({ outcome }) => outcome !== 'rejected');
const isError = ({ status, outcome }: UsageEvent) => outcome === 'lost' || (status >= 400 && status !== 499);

function expected(events: readonly UsageEvent[]): Partial<MetricPoint['sums']> {
  const tried = attempts(events);
  const rejected = events.filter(({ outcome }) => outcome === 'rejected');
  return {
    requests: sum(tried, ({ requests }) => requests),
    rejected: sum(rejected, ({ request }) => request?.count ?? 1),
    errors:
      sum(tried.filter(isError), ({ requests }) => requests) +
      sum(rejected.filter(isError), ({ request }) => request?.count ?? 1),
    attempts: BigInt(tried.length),
    input_tokens: sum(tried, ({ inputTokens }) => inputTokens),
    cost_pico: sum(tried, ({ costPico }) => costPico ?? 0),
    cache_hits: BigInt(tried.filter(({ outcome }) => outcome === 'cached').length),
  };
}

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`metrics on ${backend.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await backend.start();
    });
    afterAll(() => server?.dispose());

    /** A tenant with events, stored in several batches. */
    const withEvents = async (events: readonly UsageEvent[], perBatch: number) => {
      const database = server.freshName();
      const placement = { server: '', database };
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      const usage = await server.openUsage(database);
      for (let at = 0; at < events.length; at += perBatch) {
        await storeUsage(usage, [batchOf(`b${at}`, events.slice(at, at + perBatch))]);
      }
      await usage.close();
      return { databases, store: new SqlMetricStore(databases) };
    };

    test('sums are exact for each step, group and filter', async () => {
      const events = fc.sample(event, { numRuns: 400, seed: 5 });
      const { databases, store } = await withEvents(events, 37);
      for (const step of [5 * MINUTE, HOUR, 6 * HOUR, DAY] as const) {
        const query = { from: 0, to: 2 * DAY, step, filter: {} };
        const startOf = (one: UsageEvent) => one.at - (one.at % step);
        for (const { start, sums } of await store.sums(SCOPE, query, [], undefined)) {
          expect(sums).toMatchObject(expected(events.filter((one) => startOf(one) === start)));
        }
      }
      const query = { from: 0, to: 2 * DAY, step: DAY, filter: { model: 'a' } };
      const ranked = await store.rank(SCOPE, query, ['key', 'user'], 'tokens', 100);
      const groups = ranked.map(({ group }) => group);
      const points = await store.sums(SCOPE, query, ['key', 'user'], groups);
      for (const { start, group, sums } of points) {
        const own = events.filter(
          (one) =>
            one.model === 'a' &&
            one.keyId === group.key &&
            (one.member ?? '') === group.user &&
            one.at - (one.at % DAY) === start,
        );
        expect(sums).toMatchObject(expected(own));
      }
      const amounts = ranked.map(({ amount }) => amount);
      expect(amounts).toEqual(amounts.toSorted((a, b) => (a < b ? 1 : -1)));
      await databases.close();
    });

    test('quantiles are within the documented error, over all batches', async () => {
      const events = fc
        .sample(event, { numRuns: 600, seed: 9 })
        .map((one) => ({ ...one, status: 200, outcome: 'done', requests: 1 }));
      const { databases, store } = await withEvents(events, 53);
      for (const [groupBy, groups] of [
        [[], undefined],
        [['key'] as const, [{ key: 'a' }, { key: 'b' }]],
      ] as const) {
        const query = { from: 0, to: 2 * DAY, step: DAY, filter: {} };
        const found = await store.times(SCOPE, query, [...groupBy], groups);
        expect(found.length).toBe(2 * (groups?.length ?? 1));
        for (const { start, group, latency } of found) {
          const own = events.filter(
            (one) =>
              one.at - (one.at % DAY) === start && (group.key === undefined || one.keyId === group.key),
          );
          const sorted = own.map(({ request }) => request?.durationMs ?? 0).sort((a, b) => a - b);
          for (const q of [0.5, 0.95, 0.99]) {
            const exact = Math.max(1, sorted[Math.ceil(q * sorted.length) - 1] ?? 0);
            const estimate = latency.quantile(q) ?? Number.NaN;
            expect(Math.abs(estimate - exact) / exact).toBeLessThanOrEqual(SKETCH_ERROR + 1e-9);
          }
        }
      }
      await databases.close();
    });

    test('a batch of many models and keys keeps exact sums, and quantiles of a sample', async () => {
      const [base] = fc.sample(event, 1);
      if (!base) throw new Error('no event');
      const events = Array.from(
        { length: 300 },
        (_, index): UsageEvent => ({
          ...base,
          ...{ id: String(index), keyId: `k${index}`, model: `m${index % 150}`, provider: 'p', at: index },
          ...{ outcome: 'done', requests: 1, status: 200 },
        }),
      );
      const { databases, store } = await withEvents(events, 300);
      const query = { from: 0, to: HOUR, step: HOUR, filter: {} };
      const [all] = await store.sums(SCOPE, query, [], undefined);
      expect(all?.sums.requests).toBe(300n);
      const [last] = await store.sums(SCOPE, { ...query, filter: { model: 'm149' } }, [], undefined);
      expect(last?.sums.requests).toBe(2n);
      const minutes = await store.sums(SCOPE, { ...query, step: MINUTE }, [], undefined);
      expect(minutes.map(({ sums, rows }) => [sums.requests, rows])).toEqual([[300n, 21]]);
      const ranked = await store.rank(SCOPE, query, ['model'], 'requests', 1_000);
      expect(ranked).toHaveLength(150);
      const [times] = await store.times(SCOPE, query, [], undefined);
      const exact = base.request?.durationMs ?? 0;
      expect(Math.abs((times?.latency.quantile(1) ?? 0) - exact)).toBeLessThanOrEqual(exact * 0.05 + 1);
      await databases.close();
    });

    test('a query reads as few rows for many events as for few', async () => {
      const [base] = fc.sample(event, 1);
      if (!base) throw new Error('no event');
      const events = Array.from(
        { length: 20_000 },
        (_, index): UsageEvent => ({
          ...base,
          ...{ id: String(index), keyId: `k${index % 50}`, model: `m${index % 4}`, provider: 'p', tags: [] },
          ...{ at: index * 8_640, outcome: 'done', requests: 1, status: 200 },
        }),
      );
      const { databases, store } = await withEvents(events, 2_000);
      const query = { from: 0, to: 2 * DAY, step: HOUR, filter: {} };
      const points = await store.sums(SCOPE, query, [], undefined);
      // A row for each hour and model, whatever the number of events and keys.
      expect(points.reduce((rows, point) => rows + point.rows, 0)).toBe(48 * 4);
      const ofKey = { ...query, filter: { key: 'k7' } };
      const own = await store.sums(SCOPE, ofKey, [], undefined);
      expect(own.reduce((rows, point) => rows + point.rows, 0)).toBeLessThanOrEqual(48 * 4);
      await databases.close();
    });

    test('sums by minute are deleted, those by hour stay', async () => {
      const events = fc.sample(event, { numRuns: 100, seed: 3 });
      const { databases, store } = await withEvents(events, 100);
      const query = (step: number) => ({ from: 0, to: 2 * DAY, step, filter: {} });
      const hours = await store.sums(SCOPE, query(HOUR), [], undefined);
      const remove = () => databases.use(SCOPE, (db) => deleteOldMinutes(db, DAY));
      while ((await remove()) > 0);
      const minutes = await store.sums(SCOPE, query(MINUTE), [], undefined);
      expect(minutes.length).toBeGreaterThan(0);
      expect(Math.min(...minutes.map(({ start }) => start))).toBeGreaterThanOrEqual(DAY);
      expect(await store.sums(SCOPE, query(HOUR), [], undefined)).toHaveLength(hours.length);
      await databases.close();
    });
  });
}
