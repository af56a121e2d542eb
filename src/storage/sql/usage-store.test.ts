import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BACKENDS, type TestServer } from '../../../test/support/database-servers.ts';
import { runs } from '../../../test/support/effort.ts';
import { UsageBatches } from '../usage-batch.ts';
import { eventOf, lineOf, type UsageEvent } from '../usage-event.ts';
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
});

test('a line contains all fields of an event', () => {
  fc.assert(fc.property(anyEvent, (event) => expect(eventOf(lineOf(event))).toEqual(event)));
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
      const open = () =>
        new TenantDatabases({
          servers: new Map([['', server.connect()]]),
          placementOf: () => placement,
          maxConnections: 4,
        });
      const databases = open();
      await databases.create(placement);
      return { databases, store: new SqlUsageStore(databases), open };
    };
    const batchOf = (events: readonly UsageEvent[]) => {
      const batch = UsageBatches.of(events).byTenant.get('t');
      if (!batch) throw new Error('no batch');
      return batch;
    };
    const everything = { from: 0, to: 3 * DAY, matches: () => true };

    test('sums each event once in any grouping, however often a batch arrives', async () => {
      const batches = fc.sample(fc.array(anyEvent, { minLength: 1, maxLength: 60 }), { numRuns: 6, seed: 7 });
      const all = batches.flat();
      const { databases, store, open } = await create();
      // One batch was taken over by another gateway while it still grew.
      const grew = batches[0] ?? [];
      await store.write('t', 'batch-0', batchOf(grew.slice(0, Math.ceil(grew.length / 2))));
      // A second gateway writes the same batches concurrently, as after a kill. On SQLite, two connections of one process
      // would deadlock.
      const second = backend.name === 'SQLite' ? databases : open();
      const other = new SqlUsageStore(second);
      for (const [at, events] of batches.entries()) {
        await Promise.all([
          store.write('t', `batch-${at}`, batchOf(events)),
          other.write('t', `batch-${at}`, batchOf(events)),
        ]);
        await store.write('t', `batch-${at}`, batchOf(events));
      }
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
      const tagged = await store.summarise(
        { tenant: 't' },
        { from: 0, to: 3 * DAY, interval: null, groupBy: ['tag'] },
      );
      expect(tagged.reduce((sum, { sums }) => sum + sums.attempts, 0n)).toBe(
        total(all, ({ tags }) => tags.length),
      );
      if (second !== databases) await second.close();
      await databases.close();
    });

    test('returns every event once, page by page', async () => {
      const batches = fc.sample(fc.array(anyEvent, { minLength: 1, maxLength: 40 }), {
        numRuns: runs(5),
        seed: 11,
      });
      // Two gateways' batches with the same time of the first event.
      batches.push([{ ...sample(), at: 5 }], [{ ...sample(), at: 5 }]);
      const { databases, store } = await create();
      for (const [at, events] of batches.entries()) await store.write('t', `batch-${at}`, batchOf(events));
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
