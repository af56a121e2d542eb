import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import {
  charge,
  concurrency,
  counter,
  granted,
  quota,
  rate,
  redisStore,
  settled,
  unique,
} from '../../test/support/limit-stores.ts';
import {
  canStopRedis,
  hasRedis,
  sharedRedis,
  startRedisCluster,
  startSentinel,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import { systemClock } from '../core/clock.ts';
import type { Limit } from '../core/limit.ts';
import type { LimitStore, Reservation, ReserveResult } from './limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';

interface Backend {
  readonly name: string;
  readonly available: boolean;
  /** `connect` opens a store; several share their counters where `shared` is true. */
  start(): Promise<{ connect(): Promise<LimitStore>; readonly shared: boolean; dispose(): Promise<void> }>;
}

const redisBackend = (
  name: string,
  { cluster = false, own = true }: { readonly cluster?: boolean; readonly own?: boolean },
  start: () => Promise<TestRedis>,
): Backend => ({
  name,
  available: own ? canStopRedis : hasRedis,
  start: async () => {
    const redis = await start();
    const prefix = `test-${unique()}`;
    const stores: LimitStore[] = [];
    return {
      shared: true,
      connect: async () => {
        const store = await redisStore(redis.url, prefix, cluster);
        stores.push(store);
        return store;
      },
      dispose: async () => {
        for (const store of stores) await store.close();
        if (own) await redis.dispose();
      },
    };
  },
});

const BACKENDS: readonly Backend[] = [
  {
    name: 'memory',
    available: true,
    start: async () => {
      const store = new MemoryLimitStore(systemClock);
      return { shared: false, connect: async () => store, dispose: async () => undefined };
    },
  },
  redisBackend('Redis', { own: false }, sharedRedis),
  redisBackend('Redis behind Sentinel', {}, startSentinel),
  redisBackend('a Redis cluster', { cluster: true }, startRedisCluster),
];

/** For each event-loop turn: the reservations to settle, and the amounts to reserve of each counter. */
const moments = fc.array(
  fc.record({
    settle: fc.array(fc.record({ at: fc.nat(50), used: fc.nat(12) }), { maxLength: 4 }),
    reserve: fc.array(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 5, maxLength: 5 }), {
      maxLength: 6,
    }),
  }),
  { minLength: 1, maxLength: 6 },
);

const comparable = (result: ReserveResult) =>
  result.granted ? { counterStates: result.counterStates, over: result.over.toSorted() } : result;

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`limits in ${backend.name}`, () => {
    let connect: () => Promise<LimitStore>;
    let dispose: () => Promise<void>;
    let store: LimitStore;
    beforeAll(async () => {
      const started = await backend.start();
      connect = started.connect;
      dispose = started.dispose;
      store = await connect();
    });
    afterAll(() => dispose?.());

    test('charge all counters, or none', async () => {
      const [wide, narrow] = [quota(10), quota(1)];
      const first = granted(await store.reserve([charge(wide), charge(narrow)]));
      expect(first.counterStates).toEqual([1, 1]);
      expect(await store.reserve([charge(wide), charge(narrow)])).toEqual({
        granted: false,
        refused: 1,
        counterState: 1,
      });
      await settled(store);
      expect(await store.stateOf(wide, charge(wide).period)).toBe(1);
    });

    test('are raised to the recorded use, and never lowered', async () => {
      const [budget, other] = [quota(1_000), quota(1_000)];
      const { period } = charge(budget);
      if (!period) throw new Error('no period');
      await store.raise([{ counter: budget, period, used: 700 }]);
      expect(await store.stateOf(budget, period)).toBe(700);
      await store.raise([
        { counter: budget, period, used: 300 },
        { counter: other, period, used: 5 },
      ]);
      expect([await store.stateOf(budget, period), await store.stateOf(other, period)]).toEqual([700, 5]);
      const { reservation } = granted(await store.reserve([charge(budget, 200)]));
      expect((await store.reserve([charge(budget, 200)])).granted).toBe(false);
      store.settle(reservation, [50]);
      await settled(store);
      expect(await store.stateOf(budget, period)).toBe(750);
    });

    test('correct the charge to the actual use, once', async () => {
      const tokens = quota(1_000, { of: 'tokens' });
      const { reservation } = granted(await store.reserve([charge(tokens, 600)]));
      expect((await store.reserve([charge(tokens, 600)])).granted).toBe(false);
      store.settle(reservation, [150]);
      store.settle(reservation, [0]);
      await settled(store);
      expect(await store.stateOf(tokens, charge(tokens).period)).toBe(150);
      const more = granted(await store.reserve([charge(tokens, 850)]));
      store.settle(more.reservation, [900]);
      await settled(store);
      expect(await store.stateOf(tokens, charge(tokens).period)).toBe(1_050);
    });

    test('count money exactly', async () => {
      const budget = quota(9_000_000_000_000_000, { of: 'cost', per: 'month' });
      const { reservation } = granted(await store.reserve([charge(budget, 8_999_999_999_999_999)]));
      expect((await store.reserve([charge(budget, 2)])).granted).toBe(false);
      expect((await store.reserve([charge(budget, 1)])).granted).toBe(true);
      store.settle(reservation, [1]);
      await settled(store);
      expect(await store.stateOf(budget, charge(budget).period)).toBe(2);
    });

    test('allow a burst, then the rate', async () => {
      const slow = rate(6, { burst: 3 });
      const answers = [];
      for (let round = 0; round < 5; round += 1) answers.push((await store.reserve([charge(slow)])).granted);
      expect(answers).toEqual([true, true, true, false, false]);
      const fast = rate(1_000, { per: 'second', burst: 1 });
      granted(await store.reserve([charge(fast)]));
      const deadline = performance.now() + 2_000;
      while (!(await store.reserve([charge(fast)])).granted && performance.now() < deadline);
      expect(performance.now()).toBeLessThan(deadline);
    });

    test('allow more than the capacity from a full bucket, which then has a negative level', async () => {
      const tokens = rate(100, { of: 'tokens' });
      granted(await store.reserve([charge(tokens, 250)]));
      const result = await store.reserve([charge(tokens, 1)]);
      expect(result.granted).toBe(false);
      if (!result.granted) expect(result.counterState).toBeLessThan(-140);
    });

    test('release concurrency slots, and reject while all are held', async () => {
      const two = concurrency(2);
      const held = [granted(await store.reserve([charge(two)])), granted(await store.reserve([charge(two)]))];
      expect((await store.reserve([charge(two)])).granted).toBe(false);
      store.settle(held[0]?.reservation ?? { id: '', charges: [], unchargedIndexes: [] }, [0]);
      await settled(store);
      granted(await store.reserve([charge(two)]));
      expect(await store.stateOf(two, undefined)).toBe(2);
    });

    test('of mode warn and shadow report an excess; only warn is charged', async () => {
      const [warn, shadow] = [quota(1, { mode: 'warn' }), quota(1, { mode: 'shadow' })];
      const charges = [charge(warn), charge(shadow)];
      expect(granted(await store.reserve(charges)).over).toEqual([]);
      expect(granted(await store.reserve(charges)).over).toEqual([0, 1]);
      expect(await store.stateOf(warn, charges[0]?.period)).toBe(2);
      expect(await store.stateOf(shadow, charges[1]?.period)).toBe(1);
    });

    test('of mode shadow are not corrected where they were not charged', async () => {
      const [tokens, now] = [
        quota(100, { of: 'tokens', mode: 'shadow' }),
        concurrency(1, { mode: 'shadow' }),
      ];
      const charges = [charge(tokens, 80), charge(now)];
      const [first, second] = [granted(await store.reserve(charges)), granted(await store.reserve(charges))];
      expect(second.over).toEqual([0, 1]);
      store.settle(second.reservation, [10, 0]);
      await settled(store);
      expect([await store.stateOf(tokens, charges[0]?.period), await store.stateOf(now, undefined)]).toEqual([
        80, 1,
      ]);
      store.settle(first.reservation, [30, 0]);
      await settled(store);
      expect([await store.stateOf(tokens, charges[0]?.period), await store.stateOf(now, undefined)]).toEqual([
        30, 0,
      ]);
    });

    test('count batched calls as a single gateway in memory does', async () => {
      await fc.assert(
        fc.asyncProperty(moments, async (rounds) => {
          const alone = new MemoryLimitStore(systemClock);
          // All of one tenant: in a cluster, a reservation over several hash slots is held briefly in those that accept it.
          const tenant = unique();
          const of = (name: string, limit: Partial<Limit>) => counter(limit, 'key', `${tenant}/${name}`);
          const counters = [
            of('a', { per: 'day', max: 20 }),
            of('b', { of: 'tokens', per: 'month', max: 200, mode: 'warn' }),
            of('c', { of: 'concurrent_requests', per: null, max: 6 }),
            of('d', { per: 'day', max: 15, mode: 'shadow' }),
            of('e', { per: 'day', max: 25 }),
          ];
          const open: { here: Reservation; there: Reservation }[] = [];
          for (const { settle, reserve } of rounds) {
            for (const { at, used } of settle) {
              const [taken] = open.splice(at % Math.max(1, open.length), 1);
              if (!taken) continue;
              const { charges } = taken.here;
              const amounts = charges.map(({ counter: { kind } }) => (kind === 'concurrency' ? 0 : used));
              store.settle(taken.here, amounts);
              alone.settle(taken.there, amounts);
            }
            const all = reserve.map((amounts) =>
              amounts.flatMap((amount, index) => {
                const taken = counters[index];
                return taken && amount > 0 ? [charge(taken, taken.kind === 'concurrency' ? 1 : amount)] : [];
              }),
            );
            const here = await Promise.all(all.map((charges) => store.reserve(charges)));
            const there = all.map((charges) => alone.reserve(charges));
            expect(here.map(comparable)).toEqual(there.map(comparable));
            here.forEach((result, index) => {
              const other = there[index];
              if (result.granted && other?.granted)
                open.push({ here: result.reservation, there: other.reservation });
            });
          }
        }),
        { numRuns: runs(40) },
      );
    });

    test('are not exceeded by concurrent requests of several gateways', async () => {
      const stores = [store, await connect(), await connect()];
      const [day, now] = [quota(50), concurrency(1_000)];
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          stores[index % 3]?.reserve([charge(day), charge(now), charge(quota(5, {}), 0)]),
        ),
      );
      expect(answers.filter((result) => result?.granted)).toHaveLength(50);
      expect(await store.stateOf(day, charge(day).period)).toBe(50);
      answers.forEach((result, index) => {
        if (result?.granted) stores[index % 3]?.settle(result.reservation, [0, 0, 0]);
      });
      for (const one of stores) await settled(one);
      expect([await store.stateOf(day, charge(day).period), await store.stateOf(now, undefined)]).toEqual([
        0, 0,
      ]);
    });

    test('of a tenant and of a model are charged together', async () => {
      const [own, model] = [quota(5), counter({ per: 'day', max: 1 }, 'model', `m${unique()}`)];
      granted(await store.reserve([charge(own), charge(model)]));
      expect(await store.reserve([charge(own), charge(model)])).toMatchObject({ granted: false, refused: 1 });
      await settled(store);
      expect(await store.stateOf(own, charge(own).period)).toBe(1);
    });
  });
}
