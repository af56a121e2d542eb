import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  canStopRedis,
  hasRedis,
  sharedRedis,
  startRedis,
  startRedisCluster,
  startSentinel,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import { systemClock } from '../core/clock.ts';
import type { Limit, LimitScope } from '../core/limit.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import { fieldsOf, type RedisClient } from '../storage/kv/redis-client.ts';
import { Calendar } from './calendar.ts';
import { type Charge, type Counter, countersOf } from './counter.ts';
import { type LimitStore, type Reservation, type ReserveAnswer, StoreLostError } from './limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import { RedisLimitStore } from './redis-limit-store.ts';
import { SharedLimitStore } from './shared-limit-store.ts';

const calendar = new Calendar();
let number = 0;
const unique = () => {
  number += 1;
  return `${process.pid}-${number}`;
};

function counter(limit: Partial<Limit>, scope: LimitScope = 'tenant', id = `t${unique()}/`): Counter {
  const whole: Limit = {
    of: 'requests',
    per: 'minute',
    max: 10,
    burst: null,
    mode: 'enforce',
    onStoreLoss: 'local',
    ...limit,
  };
  const [made] = countersOf({ scope, id, name: id, limits: [whole], timeZone: 'UTC' });
  if (!made) throw new Error('no counter');
  return made;
}

function charge(of: Counter, amount = 1): Charge {
  const period = of.kind === 'period' ? calendar.periodAt(systemClock.wallTime(), of.per, 'UTC') : undefined;
  return { counter: of, amount, period };
}

const rate = (max: number, more: Partial<Limit> = {}) => counter({ max, ...more });
const quota = (max: number, more: Partial<Limit> = {}) => counter({ per: 'day', max, ...more });
const places = (max: number, more: Partial<Limit> = {}) =>
  counter({ of: 'concurrent_requests', per: null, max, ...more });

interface Backend {
  readonly name: string;
  readonly available: boolean;
  /** Several stores on the same counters, where they can be shared. */
  start(): Promise<{ connect(): Promise<LimitStore>; readonly shared: boolean; dispose(): Promise<void> }>;
}

const settled = async (store: LimitStore): Promise<void> => {
  if (!(store instanceof RedisLimitStore)) return;
  const deadline = performance.now() + 5_000;
  while (store.unsettled > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 2));
};

async function redisStore(url: string, prefix: string, cluster: boolean): Promise<RedisLimitStore> {
  const client = connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
  await client.connected();
  return new RedisLimitStore({
    ...{ client, prefix, cluster, clock: systemClock, replica: `r${unique()}` },
    knownUse: () => 0,
    onUse: () => undefined,
    onLost: () => undefined,
  });
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

/** What happens in each moment: what is settled, and what is reserved by how much of each counter. */
const moments = fc.array(
  fc.record({
    settle: fc.array(fc.record({ at: fc.nat(50), used: fc.nat(12) }), { maxLength: 4 }),
    reserve: fc.array(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 5, maxLength: 5 }), {
      maxLength: 6,
    }),
  }),
  { minLength: 1, maxLength: 6 },
);

const comparable = (answer: ReserveAnswer) =>
  answer.granted ? { standings: answer.standings, over: answer.over.toSorted() } : answer;

const SCRIPT = readFileSync(new URL('../storage/kv/limits.lua', import.meta.url), 'utf8');

/** Where the reservations stand that are open beside a counter. */
async function journalOf(client: RedisClient, { key }: Counter): Promise<string> {
  const [found = ''] = [await client.call('KEYS', [`*${key}*`])].flat().map(String);
  const [journal = ''] = [await client.call('KEYS', [`${found.slice(0, found.indexOf('}'))}}:open:*`])]
    .flat()
    .map(String);
  return journal;
}

function granted(answer: ReserveAnswer) {
  if (!answer.granted) throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer;
}

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

    test('take from all counters, or from none', async () => {
      const [wide, narrow] = [quota(10), quota(1)];
      const first = granted(await store.reserve([charge(wide), charge(narrow)]));
      expect(first.standings).toEqual([1, 1]);
      expect(await store.reserve([charge(wide), charge(narrow)])).toEqual({
        granted: false,
        refused: 1,
        standing: 1,
      });
      await settled(store);
      expect(await store.standing(wide, charge(wide).period)).toBe(1);
    });

    test('correct what was taken to what was used, once', async () => {
      const tokens = quota(1_000, { of: 'tokens' });
      const { reservation } = granted(await store.reserve([charge(tokens, 600)]));
      expect((await store.reserve([charge(tokens, 600)])).granted).toBe(false);
      store.settle(reservation, [150]);
      store.settle(reservation, [0]);
      await settled(store);
      expect(await store.standing(tokens, charge(tokens).period)).toBe(150);
      const more = granted(await store.reserve([charge(tokens, 850)]));
      store.settle(more.reservation, [900]);
      await settled(store);
      expect(await store.standing(tokens, charge(tokens).period)).toBe(1_050);
    });

    test('hold amounts of money exactly', async () => {
      const budget = quota(9_000_000_000_000_000, { of: 'cost', per: 'month' });
      const { reservation } = granted(await store.reserve([charge(budget, 8_999_999_999_999_999)]));
      expect((await store.reserve([charge(budget, 2)])).granted).toBe(false);
      expect((await store.reserve([charge(budget, 1)])).granted).toBe(true);
      store.settle(reservation, [1]);
      await settled(store);
      expect(await store.standing(budget, charge(budget).period)).toBe(2);
    });

    test('let a rate through at once up to its burst, then as it flows in', async () => {
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

    test('give what is larger than a bucket when that is full, and let it be paid back', async () => {
      const tokens = rate(100, { of: 'tokens' });
      granted(await store.reserve([charge(tokens, 250)]));
      const answer = await store.reserve([charge(tokens, 1)]);
      expect(answer.granted).toBe(false);
      if (!answer.granted) expect(answer.standing).toBeLessThan(-140);
    });

    test('give places back, and refuse while all are held', async () => {
      const two = places(2);
      const held = [granted(await store.reserve([charge(two)])), granted(await store.reserve([charge(two)]))];
      expect((await store.reserve([charge(two)])).granted).toBe(false);
      store.settle(held[0]?.reservation ?? { id: '', charges: [], spared: [] }, [0]);
      await settled(store);
      granted(await store.reserve([charge(two)]));
      expect(await store.standing(two, undefined)).toBe(2);
    });

    test('that only warn or look on say so, and count as they should', async () => {
      const [warn, shadow] = [quota(1, { mode: 'warn' }), quota(1, { mode: 'shadow' })];
      const charges = [charge(warn), charge(shadow)];
      expect(granted(await store.reserve(charges)).over).toEqual([]);
      expect(granted(await store.reserve(charges)).over).toEqual([0, 1]);
      expect(await store.standing(warn, charges[0]?.period)).toBe(2);
      expect(await store.standing(shadow, charges[1]?.period)).toBe(1);
    });

    test('that only look on are corrected by nothing where they took nothing', async () => {
      const [tokens, now] = [quota(100, { of: 'tokens', mode: 'shadow' }), places(1, { mode: 'shadow' })];
      const charges = [charge(tokens, 80), charge(now)];
      const [first, second] = [granted(await store.reserve(charges)), granted(await store.reserve(charges))];
      expect(second.over).toEqual([0, 1]);
      store.settle(second.reservation, [10, 0]);
      await settled(store);
      expect([
        await store.standing(tokens, charges[0]?.period),
        await store.standing(now, undefined),
      ]).toEqual([80, 1]);
      store.settle(first.reservation, [30, 0]);
      await settled(store);
      expect([
        await store.standing(tokens, charges[0]?.period),
        await store.standing(now, undefined),
      ]).toEqual([30, 0]);
    });

    test('count as one does alone, whatever comes in one moment', async () => {
      await fc.assert(
        fc.asyncProperty(moments, async (rounds) => {
          const alone = new MemoryLimitStore(systemClock);
          // Of one tenant: in a cluster, what is refused in one part is held for a moment in others.
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
              const amounts = charges.map(({ counter: { kind } }) => (kind === 'places' ? 0 : used));
              store.settle(taken.here, amounts);
              alone.settle(taken.there, amounts);
            }
            const all = reserve.map((amounts) =>
              amounts.flatMap((amount, index) => {
                const taken = counters[index];
                return taken && amount > 0 ? [charge(taken, taken.kind === 'places' ? 1 : amount)] : [];
              }),
            );
            const here = await Promise.all(all.map((charges) => store.reserve(charges)));
            const there = all.map((charges) => alone.reserve(charges));
            expect(here.map(comparable)).toEqual(there.map(comparable));
            here.forEach((answer, index) => {
              const other = there[index];
              if (answer.granted && other?.granted)
                open.push({ here: answer.reservation, there: other.reservation });
            });
          }
        }),
        { numRuns: 40 },
      );
    });

    test('are not exceeded by many at once, from several gateways', async () => {
      const stores = [store, await connect(), await connect()];
      const [day, now] = [quota(50), places(1_000)];
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          stores[index % 3]?.reserve([charge(day), charge(now), charge(quota(5, {}), 0)]),
        ),
      );
      expect(answers.filter((answer) => answer?.granted)).toHaveLength(50);
      expect(await store.standing(day, charge(day).period)).toBe(50);
      answers.forEach((answer, index) => {
        if (answer?.granted) stores[index % 3]?.settle(answer.reservation, [0, 0, 0]);
      });
      for (const one of stores) await settled(one);
      expect([await store.standing(day, charge(day).period), await store.standing(now, undefined)]).toEqual([
        0, 0,
      ]);
    });

    test('of a tenant and of a model go together', async () => {
      const [own, model] = [quota(5), counter({ per: 'day', max: 1 }, 'model', `m${unique()}`)];
      granted(await store.reserve([charge(own), charge(model)]));
      expect(await store.reserve([charge(own), charge(model)])).toMatchObject({ granted: false, refused: 1 });
      await settled(store);
      expect(await store.standing(own, charge(own).period)).toBe(1);
    });
  });
}

describe.skipIf(!canStopRedis)('a store that is lost', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.dispose());

  async function shared() {
    const changes: boolean[] = [];
    const prefix = `lost-${unique()}`;
    const client = connectRedis({ url: redis.url, timeoutMs: 1_000, onError: () => undefined });
    await client.connected();
    const store = new SharedLimitStore({
      clock: systemClock,
      newId: unique,
      kept: [],
      shared: (known) =>
        new RedisLimitStore({
          ...{ client, prefix, cluster: false, clock: systemClock, replica: unique() },
          knownUse: (name, period) => known.get(name, period),
          onUse: (name, period, used) => known.set(name, period, used),
          onLost: () => undefined,
        }),
      onChange: (lost) => changes.push(lost),
    });
    await store.beat();
    return { store, changes };
  }

  async function back(store: SharedLimitStore): Promise<void> {
    const deadline = performance.now() + 10_000;
    do {
      await store.beat();
      if (performance.now() > deadline) throw new Error('it did not come back');
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (store.lost);
  }

  test('leaves each limit to its policy, and is told afterwards what was used', async () => {
    const { store, changes } = await shared();
    const [local, strict] = [quota(10), quota(10, { onStoreLoss: 'refuse' })];
    for (let round = 0; round < 4; round += 1) granted(await store.reserve([charge(local)]));
    await redis.stop();
    const attempt = async () => store.reserve([charge(strict)]);
    await expect(attempt()).rejects.toThrow(StoreLostError);
    let alone = 0;
    for (let round = 0; round < 20; round += 1)
      if ((await store.reserve([charge(local)])).granted) alone += 1;
    // Four were used before: six are left, and not ten.
    expect(alone).toBe(6);
    await redis.start();
    await back(store);
    expect((await store.reserve([charge(local)])).granted).toBe(false);
    expect(await store.standing(local, charge(local).period)).toBe(10);
    granted(await store.reserve([charge(strict)]));
    expect(changes).toEqual([true, false]);
    await store.close();
  });

  test('settles what was taken before, after', async () => {
    const { store } = await shared();
    const tokens = quota(100, { of: 'tokens' });
    const before = granted(await store.reserve([charge(tokens, 80)]));
    await redis.stop();
    store.settle(before.reservation, [30]);
    expect(store.unsettled).toBe(1);
    await redis.start();
    await back(store);
    expect(store.unsettled).toBe(0);
    expect(await store.standing(tokens, charge(tokens).period)).toBe(30);
    await store.close();
  });

  test('that comes back empty is told what was known', async () => {
    const { store } = await shared();
    const day = quota(10);
    for (let round = 0; round < 7; round += 1) granted(await store.reserve([charge(day)]));
    await redis.stop();
    await redis.start({ empty: true });
    await back(store);
    const answers = [];
    for (let round = 0; round < 5; round += 1) answers.push((await store.reserve([charge(day)])).granted);
    expect(answers).toEqual([true, true, true, false, false]);
    await store.close();
  });
});

describe.skipIf(!hasRedis)('what comes in one moment', () => {
  test('goes in one script, settlements before what they make room for', async () => {
    const { url } = await sharedRedis();
    const store = await redisStore(url, `moment-${unique()}`, false);
    const client = connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    const scripts = async () => {
      const text = String(await client.call('INFO', ['commandstats']));
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0);
    };
    const [day, two] = [quota(1_000), places(2)];
    const held = [
      granted(await store.reserve([charge(day), charge(two)])),
      granted(await store.reserve([charge(day), charge(two)])),
    ];
    const before = await scripts();
    for (const { reservation } of held) store.settle(reservation, [1, 0]);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => store.reserve([charge(day), charge(two)])),
    );
    expect(answers.filter((answer) => answer.granted)).toHaveLength(2);
    expect((await scripts()) - before).toBe(1);
    // More than one script may take.
    const many = await Promise.all(Array.from({ length: 950 }, () => store.reserve([charge(day)])));
    expect(many.every((answer) => answer.granted)).toBe(true);
    expect((await scripts()) - before).toBeLessThan(20);
    expect(await store.standing(day, charge(day).period)).toBe(954);
    await store.close();
    client.disconnect();
  });

  test('is answered by an error where the store gives none, and what it settled is settled later', async () => {
    const { url } = await sharedRedis();
    const store = await redisStore(url, `moment-${unique()}`, false);
    const [day, text] = [quota(10), quota(10)];
    const first = granted(await store.reserve([charge(day, 5)]));
    const client = connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    // A counter that is none makes the script fail.
    const [key = ''] = [await client.call('KEYS', [`*${day.key}*`])].flat().map(String);
    await client.call('LPUSH', [key.replace(day.key, text.key), 'x']);
    store.settle(first.reservation, [1]);
    await expect(store.reserve([charge(text)])).rejects.toThrow(StoreLostError);
    await client.call('DEL', [key.replace(day.key, text.key)]);
    await store.beat();
    expect(store.unsettled).toBe(0);
    expect(await store.standing(day, charge(day).period)).toBe(1);
    expect(await store.standing(text, charge(text).period)).toBe(0);
    await store.close();
    client.disconnect();
  });
});

describe.skipIf(!hasRedis)('a reservation that was not answered', () => {
  test('takes nothing when it comes after all, behind its settlement', async () => {
    const { url } = await sharedRedis();
    const real = connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await real.connected();
    let held: (() => Promise<unknown>) | undefined;
    let holding = true;
    const client: RedisClient = {
      ready: true,
      connected: () => real.connected(),
      disconnect: () => real.disconnect(),
      call: (command, args) => {
        if (!holding || !command.startsWith('EVAL')) return real.call(command, args);
        holding = false;
        held = () => real.call('EVAL', [SCRIPT, ...args.slice(1)]);
        return Promise.reject(new Error('no answer'));
      },
    };
    let now = 0;
    const clock = { ...systemClock, now: () => now };
    const store = new RedisLimitStore({
      ...{ client, prefix: `late-${unique()}`, cluster: false, clock, replica: 'late' },
      knownUse: () => 0,
      onUse: () => undefined,
      onLost: () => undefined,
    });
    const [day, two] = [quota(10), places(2)];
    await expect(store.reserve([charge(day, 4), charge(two)])).rejects.toThrow(StoreLostError);
    await settled(store);
    await held?.();
    expect(await store.standing(day, charge(day).period)).toBe(0);
    expect(await store.standing(two, undefined)).toBe(0);
    granted(await store.reserve([charge(day, 4), charge(two)]));
    expect(await store.standing(day, charge(day).period)).toBe(4);
    const open = async () => fieldsOf(await real.call('HGETALL', [await journalOf(real, day)])).length;
    expect(await open()).toBe(2);
    now = 700_000;
    await store.beat();
    expect(await open()).toBe(1);
    await store.close();
  });
});

describe.skipIf(!hasRedis)('a gateway that is killed', () => {
  test('gives its places back when others notice; what it took otherwise stays taken', async () => {
    const { url } = await sharedRedis();
    const prefix = `killed-${unique()}`;
    const dead = await redisStore(url, prefix, false);
    const [two, day] = [places(2), quota(10)];
    granted(await dead.reserve([charge(two), charge(day, 3)]));
    await dead.beat();
    const client = connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    let lost = 0;
    const later = {
      ...systemClock,
      now: () => systemClock.now(),
      wallTime: () => systemClock.wallTime() + 60_000,
      sleep: systemClock.sleep.bind(systemClock),
    };
    const other = new RedisLimitStore({
      ...{ client, prefix, cluster: false, clock: later, replica: 'other' },
      knownUse: () => 0,
      onUse: () => undefined,
      onLost: (count) => {
        lost += count;
      },
    });
    expect(await other.beat()).toBe(1);
    expect([lost, await other.beat()]).toEqual([1, 1]);
    const answers = [
      granted(await other.reserve([charge(two)])),
      granted(await other.reserve([charge(two)])),
    ];
    expect(answers).toHaveLength(2);
    expect(await other.standing(day, charge(day).period)).toBe(3);
    await other.close();
    await dead.close();
  });
});
