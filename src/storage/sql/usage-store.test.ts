import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { runs } from '../../../test/support/effort.ts';
import { batchOf } from '../usage-batch.ts';
import { eventOf, lineOf, type UsageEvent } from '../usage-event.ts';
import { storeUsage } from './store-usage.ts';
import { TenantDatabases } from './tenant-databases.ts';
import { type EventPlace, SqlUsageStore } from './usage-store.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const count = fc.integer({ min: 0, max: 1_000_000 });
const name = fc.constantFrom('a', 'b', 'ü "quoted"\n', "x'); DROP TABLE usage_batches; --");
const anyEvent: fc.Arbitrary<UsageEvent> = fc.record({
  id: fc.uuid(),
  tenant: fc.constant('t'),
  requestId: name,
  at: fc.integer({ min: 0, max: 3 * DAY - 1 }),
  keyId: name,
  member: fc.option(name),
  model: name,
  provider: name,
  upstreamModel: name,
  operation: fc.constant('chat'),
  tags: fc.uniqueArray(name, { maxLength: 2 }),
  status: fc.constantFrom(200, 502),
  outcome: fc.constantFrom('done', 'failed'),
  requests: fc.constantFrom(0, 1),
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
  // Sums of money exceed the exact range of a double long before that of a database's integers.
  costPico: fc.option(fc.integer({ min: 0, max: 9_000_000_000_000 })),
  estimated: fc.boolean(),
  durationMs: count,
  firstEventMs: fc.option(count),
  outputCostPico: fc.option(fc.integer({ min: 1, max: 1_000_000_000 }), { nil: undefined }),
  promptSavedPico: fc.option(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), { nil: undefined }),
});
const requestFacts = fc.record({
  durationMs: count,
  firstEventMs: fc.option(count),
  error: fc.option(name),
  traceId: fc.option(name),
  count: fc.integer({ min: 1, max: 9 }),
});
/** With the fields that old lines lack. */
const newerEvent = fc
  .tuple(
    anyEvent,
    fc.option(fc.record({ costPico: count, ms: count }), { nil: undefined }),
    fc.option(requestFacts, { nil: undefined }),
  )
  .map(
    ([event, saved, request]): UsageEvent => ({
      ...event,
      ...(saved && { saved }),
      ...(request && { request }),
    }),
  );

test('a line contains all fields of an event', () => {
  fc.assert(fc.property(newerEvent, (event) => expect(eventOf(lineOf(event))).toEqual(event)));
  for (const line of ['', '[', '{}', '"x"', '[1]', lineOf(sample()).slice(0, -3)]) {
    expect(eventOf(line)).toBeUndefined();
  }
});

function sample(): UsageEvent {
  const [event] = fc.sample(anyEvent, 1);
  if (!event) throw new Error('no event');
  return event;
}

const total = (events: readonly UsageEvent[], of: (event: UsageEvent) => number) =>
  events.reduce((sum, event) => sum + BigInt(of(event)), 0n);

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`usage on ${backend.name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await backend.start();
    });
    afterAll(() => server?.dispose());

    const create = async () => {
      const database = server.freshName();
      const placement = { server: '', database };
      const databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
      const openUsage = () => server.openUsage(database);
      return { databases, store: new SqlUsageStore(databases), openUsage };
    };
    const everything = { from: 0, to: 3 * DAY, matches: () => true };

    test('sums each event once in any grouping, however often a batch arrives', async () => {
      const batches = fc.sample(fc.array(anyEvent, { minLength: 1, maxLength: 60 }), { numRuns: 6, seed: 7 });
      const all = batches.flat();
      const { databases, store, openUsage } = await create();
      const one = await openUsage();
      const other = await openUsage();
      // One batch was taken over by another gateway while it still grew.
      const grew = batches[0] ?? [];
      await storeUsage(one, [batchOf('batch-0', grew.slice(0, Math.ceil(grew.length / 2)))]);
      // A second gateway writes the same batches concurrently, as after a kill. On SQLite, two connections of one thread
      // would deadlock.
      for (const [at, events] of batches.entries()) {
        const batch = batchOf(`batch-${at}`, events);
        const first = storeUsage(one, [batch]);
        if (backend.name === 'SQLite') await first;
        await Promise.all([first, storeUsage(other, [batch])]);
        await storeUsage(one, [batch]);
      }
      // All in one transaction, some twice.
      await storeUsage(
        one,
        [...batches, ...batches.slice(0, 2)].map((events, at) =>
          batchOf(`batch-${at % batches.length}`, events),
        ),
      );
      const [whole] = await store.summarise(
        { tenant: 't' },
        { from: 0, to: 3 * DAY, interval: null, groupBy: [] },
      );
      expect(whole?.sums).toMatchObject({
        requests: total(all, ({ requests }) => requests),
        attempts: BigInt(all.length),
        failures: total(all, ({ outcome }) => (outcome === 'failed' ? 1 : 0)),
        input_tokens: total(all, ({ inputTokens }) => inputTokens),
        cost_pico: total(all, ({ costPico }) => costPico ?? 0),
        unpriced: total(all, ({ costPico }) => (costPico === null ? 1 : 0)),
      });
      for (const interval of ['hour', 'day'] as const) {
        const length = interval === 'hour' ? HOUR : DAY;
        const groups = await store.summarise(
          { tenant: 't' },
          { from: 0, to: 3 * DAY, interval, groupBy: ['key', 'user', 'model', 'provider'] },
        );
        for (const { start, by, sums } of groups) {
          const own = all.filter(
            (event) =>
              event.at - (event.at % length) === start &&
              event.keyId === by.key &&
              (event.member ?? '') === by.user &&
              event.model === by.model &&
              event.provider === by.provider,
          );
          expect(sums.output_tokens).toBe(total(own, ({ outputTokens }) => outputTokens));
        }
        expect(groups.reduce((sum, { sums }) => sum + sums.attempts, 0n)).toBe(BigInt(all.length));
      }
      // Days of another time zone begin within a day of UTC.
      const buckets = [0, 5 * HOUR, DAY + 5 * HOUR];
      const query = { from: 0, to: 3 * DAY, interval: null, groupBy: ['key'] as const, buckets };
      const split = await store.summarise({ tenant: 't' }, query);
      for (const { start, by, sums } of split) {
        const first = start ?? -1;
        const end = buckets[buckets.indexOf(first) + 1] ?? 3 * DAY;
        const own = all.filter(({ at, keyId }) => at >= first && at < end && keyId === by.key);
        expect([first, sums.attempts]).toEqual([first, BigInt(own.length)]);
      }
      expect(split.reduce((sum, { sums }) => sum + sums.attempts, 0n)).toBe(BigInt(all.length));
      const tagged = await store.summarise(
        { tenant: 't' },
        { from: 0, to: 3 * DAY, interval: null, groupBy: ['tag'] },
      );
      expect(tagged.reduce((sum, { sums }) => sum + sums.attempts, 0n)).toBe(
        total(all, ({ tags }) => tags.length),
      );
      await one.close();
      await other.close();
      await databases.close();
    });

    test('updates the last use of keys, and never to an earlier time', async () => {
      const { databases, openUsage } = await create();
      const key = (id: string, last_used_at: number | null) => ({
        ...{ id, kind: 'api_key', name: id, hint: '', digest: id, member: null, scopes: '{}', limits: '[]' },
        ...{ expires_at: null, revoked_at: null, previous_digest: null, previous_hint: null },
        ...{
          previous_expires_at: null,
          last_used_at,
          version: 1,
          created_by: '',
          created_at: 0,
          updated_at: 0,
        },
      });
      const count = 112;
      const keys = Array.from({ length: count }, (_, index) => key(`k${index}`, index % 2 === 0 ? null : 50));
      await databases.use({ tenant: 't' }, (db) => db.insertInto('api_keys').values(keys).execute());
      const usage = await openUsage();
      const events = keys.flatMap(({ id }, index) => [
        { ...sample(), keyId: id, at: index + 1 },
        { ...sample(), keyId: id, at: index },
      ]);
      await storeUsage(usage, [batchOf('b', [...events, { ...sample(), keyId: 'of no key' }])]);
      const rows = await databases.use({ tenant: 't' }, (db) =>
        db.selectFrom('api_keys').select(['id', 'last_used_at']).execute(),
      );
      const expected = keys.map(({ id, last_used_at }, index) => [
        id,
        Math.max(index + 1, last_used_at ?? 0),
      ]);
      expect(Object.fromEntries(rows.map((row) => [row.id, Number(row.last_used_at)]))).toEqual(
        Object.fromEntries(expected),
      );
      await usage.close();
      await databases.close();
    });

    test('returns every event once, page by page', async () => {
      const batches = fc.sample(fc.array(anyEvent, { minLength: 1, maxLength: 40 }), {
        numRuns: runs(5),
        seed: 11,
      });
      // Two gateways' batches with the same time of the first event.
      batches.push([{ ...sample(), at: 5 }], [{ ...sample(), at: 5 }]);
      const { databases, store, openUsage } = await create();
      const usage = await openUsage();
      for (const [at, events] of batches.entries()) await storeUsage(usage, [batchOf(`batch-${at}`, events)]);
      await usage.close();
      const ids = (events: readonly UsageEvent[]) => events.map(({ id }) => id).sort();
      for (const limit of [1, 7, 1_000]) {
        const seen: UsageEvent[] = [];
        let after: EventPlace | undefined;
        do {
          const { events, next } = await store.events({ tenant: 't' }, everything, after, limit);
          expect(events.length).toBeLessThanOrEqual(limit);
          seen.push(...events);
          after = next;
        } while (after);
        expect(ids(seen)).toEqual(ids(batches.flat()));
      }
      const some = await store.events(
        { tenant: 't' },
        { from: DAY, to: 2 * DAY, matches: ({ status }) => status === 502 },
        undefined,
        1_000,
      );
      const expected = batches.flat().filter(({ at, status }) => at >= DAY && at < 2 * DAY && status === 502);
      expect(ids(some.events)).toEqual(ids(expected));
      await databases.close();
    });
  });
}
