import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import {
  charge,
  concurrency,
  granted,
  quota,
  redisStore,
  settled,
  unique,
} from '../../test/support/limit-stores.ts';
import { RecordedEvents } from '../../test/support/recorded-events.ts';
import {
  canStopRedis,
  hasRedis,
  sharedRedis,
  startRedis,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import { systemClock } from '../core/clock.ts';
import { NO_EVENTS } from '../events/event-bus.ts';
import { fieldsOf, type RedisClient } from '../platform/redis-client.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { Counter } from './counter.ts';
import { StoreUnavailableError } from './limit-store.ts';
import { RedisLimitStore } from './redis-limit-store.ts';
import { SharedLimitStore } from './shared-limit-store.ts';

const SCRIPT = readFileSync(new URL('../storage/kv/limits.lua', import.meta.url), 'utf8');

/** Key of the journal that belongs to a counter's key. */
async function journalOf(client: RedisClient, { key }: Counter): Promise<string> {
  const [found = ''] = [await client.call('KEYS', [`*${key}*`])].flat().map(String);
  const [journal = ''] = [await client.call('KEYS', [`${found.slice(0, found.indexOf('}'))}}:open:*`])]
    .flat()
    .map(String);
  return journal;
}

describe.skipIf(!hasRedis)(
  'use that was counted twice: in the records, and by a gateway without the store',
  () => {
    test('is counted once, whichever comes first', async () => {
      const { url } = await sharedRedis();
      const store = await redisStore(url, `raised-${unique()}`, false);
      try {
        for (const order of ['records first', 'gateway first']) {
          const budget = quota(1_000, { of: 'tokens' });
          const { period } = charge(budget);
          if (!period) throw new Error('no period');
          const { reservation } = granted(await store.reserve([charge(budget, 100)]));
          store.settle(reservation, [60]);
          await settled(store);
          // The gateway has counted 40 more, all of which are in the records.
          const raise = () => store.raise([{ counter: budget, period, used: 100 }]);
          const add = () => store.add(unique(), [{ counter: budget, period, amount: 40 }]);
          for (const step of order === 'records first' ? [raise, add, raise] : [add, raise, raise])
            await step();
          expect([order, await store.stateOf(budget, period)]).toEqual([order, 100]);
          await store.add(unique(), [{ counter: budget, period, amount: 5 }]);
          expect([order, await store.stateOf(budget, period)]).toEqual([order, 105]);
        }
      } finally {
        await store.close();
      }
    });
  },
);

describe.skipIf(!canStopRedis)('an unreachable store', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.dispose());

  async function shared() {
    const events = new RecordedEvents();
    const prefix = `lost-${unique()}`;
    const client = await connectRedis({ url: redis.url, timeoutMs: 1_000, onError: () => undefined });
    await client.connected();
    const store = new SharedLimitStore({
      clock: systemClock,
      newId: unique,
      persisted: [],
      shared: (known) =>
        new RedisLimitStore({
          ...{ client, prefix, cluster: false, clock: systemClock, replica: unique() },
          cachedUse: (name, period) => known.get(name, period),
          onUse: (name, period, used) => known.set(name, period, used),
          events: NO_EVENTS,
        }),
      events,
    });
    await store.heartbeat();
    return { store, changes: events.names };
  }

  async function back(store: SharedLimitStore): Promise<void> {
    const deadline = performance.now() + 10_000;
    do {
      await store.heartbeat();
      if (performance.now() > deadline) throw new Error('the store is still unreachable');
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (store.unavailable);
  }

  test('leaves each limit to its policy, and receives the use afterwards', async () => {
    const { store, changes } = await shared();
    const [local, strict] = [quota(10), quota(10, { onStoreLoss: 'refuse' })];
    for (let round = 0; round < 4; round += 1) granted(await store.reserve([charge(local)]));
    await redis.stop();
    const attempt = async () => store.reserve([charge(strict)]);
    await expect(attempt()).rejects.toThrow(StoreUnavailableError);
    let alone = 0;
    for (let round = 0; round < 20; round += 1)
      if ((await store.reserve([charge(local)])).granted) alone += 1;
    // Four were used before: six are left, not ten.
    expect(alone).toBe(6);
    await redis.start();
    await back(store);
    expect((await store.reserve([charge(local)])).granted).toBe(false);
    expect(await store.stateOf(local, charge(local).period)).toBe(10);
    granted(await store.reserve([charge(strict)]));
    expect(changes).toEqual(['limit_store.lost', 'limit_store.restored']);
    await store.close();
  });

  test('settles earlier reservations once it is reachable again', async () => {
    const { store } = await shared();
    const tokens = quota(100, { of: 'tokens' });
    const before = granted(await store.reserve([charge(tokens, 80)]));
    await redis.stop();
    store.settle(before.reservation, [30]);
    expect(store.unsettled).toBe(1);
    await redis.start();
    await back(store);
    expect(store.unsettled).toBe(0);
    expect(await store.stateOf(tokens, charge(tokens).period)).toBe(30);
    await store.close();
  });

  test('that returns empty receives the last known use', async () => {
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

describe.skipIf(!hasRedis)('a batch of one event-loop turn', () => {
  test('is one script call, with settlements before reservations', async () => {
    const { url } = await sharedRedis();
    const store = await redisStore(url, `moment-${unique()}`, false);
    const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    const scripts = async () => {
      const text = String(await client.call('INFO', ['commandstats']));
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0);
    };
    const [day, two] = [quota(1_000), concurrency(2)];
    const held = [
      granted(await store.reserve([charge(day), charge(two)])),
      granted(await store.reserve([charge(day), charge(two)])),
    ];
    const before = await scripts();
    for (const { reservation } of held) store.settle(reservation, [1, 0]);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => store.reserve([charge(day), charge(two)])),
    );
    expect(answers.filter((result) => result.granted)).toHaveLength(2);
    expect((await scripts()) - before).toBe(1);
    // More than one script call accepts.
    const many = await Promise.all(Array.from({ length: 950 }, () => store.reserve([charge(day)])));
    expect(many.every((result) => result.granted)).toBe(true);
    expect((await scripts()) - before).toBeLessThan(20);
    expect(await store.stateOf(day, charge(day).period)).toBe(954);
    await store.close();
    client.disconnect();
  });

  test('rejects when the store does not respond, and settles later', async () => {
    const { url } = await sharedRedis();
    const store = await redisStore(url, `moment-${unique()}`, false);
    const [day, text] = [quota(10), quota(10)];
    const first = granted(await store.reserve([charge(day, 5)]));
    const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    // A key of another type makes the script fail.
    const [key = ''] = [await client.call('KEYS', [`*${day.key}*`])].flat().map(String);
    await client.call('LPUSH', [key.replace(day.key, text.key), 'x']);
    store.settle(first.reservation, [1]);
    await expect(store.reserve([charge(text)])).rejects.toThrow(StoreUnavailableError);
    await client.call('DEL', [key.replace(day.key, text.key)]);
    await store.heartbeat();
    expect(store.unsettled).toBe(0);
    expect(await store.stateOf(day, charge(day).period)).toBe(1);
    expect(await store.stateOf(text, charge(text).period)).toBe(0);
    await store.close();
    client.disconnect();
  });
});

describe.skipIf(!hasRedis)('a reservation without a response', () => {
  test('takes nothing when Redis executes it after its settlement', async () => {
    const { url } = await sharedRedis();
    const real = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
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
      cachedUse: () => 0,
      onUse: () => undefined,
      events: NO_EVENTS,
    });
    const [day, two] = [quota(10), concurrency(2)];
    await expect(store.reserve([charge(day, 4), charge(two)])).rejects.toThrow(StoreUnavailableError);
    await settled(store);
    await held?.();
    expect(await store.stateOf(day, charge(day).period)).toBe(0);
    expect(await store.stateOf(two, undefined)).toBe(0);
    granted(await store.reserve([charge(day, 4), charge(two)]));
    expect(await store.stateOf(day, charge(day).period)).toBe(4);
    const open = async () => fieldsOf(await real.call('HGETALL', [await journalOf(real, day)])).length;
    expect(await open()).toBe(2);
    now = 700_000;
    await store.heartbeat();
    expect(await open()).toBe(1);
    await store.close();
  });
});

describe.skipIf(!hasRedis)('a repeated settlement', () => {
  test('of a reservation that Redis never executed releases nothing', async () => {
    const { url } = await sharedRedis();
    const real = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await real.connected();
    const prefix = `twice-${unique()}`;
    const steps: ('refuse' | 'lose the answer')[] = [];
    const client: RedisClient = {
      ready: true,
      connected: () => real.connected(),
      disconnect: () => real.disconnect(),
      call: async (command, args) => {
        const step = command.startsWith('EVAL') ? steps.shift() : undefined;
        if (step === 'refuse') throw new Error('it never came');
        const reply = await real.call(command, args);
        if (step) throw new Error('its answer never came');
        return reply;
      },
    };
    const store = new RedisLimitStore({
      ...{ client, prefix, cluster: false, clock: systemClock, replica: 'twice' },
      cachedUse: () => 0,
      onUse: () => undefined,
      events: NO_EVENTS,
    });
    const [day, two] = [quota(10), concurrency(5)];
    granted(await store.reserve([charge(day, 6), charge(two)]));
    steps.push('refuse', 'lose the answer');
    await expect(store.reserve([charge(day, 3), charge(two)])).rejects.toThrow(StoreUnavailableError);
    // The script with its settlement runs, but its reply is lost.
    const deadline = performance.now() + 5_000;
    while (steps.length > 0 && performance.now() < deadline)
      await new Promise((resolve) => setImmediate(resolve));
    await store.heartbeat();
    await store.heartbeat();
    expect(store.unsettled).toBe(0);
    expect([await store.stateOf(day, charge(day).period), await store.stateOf(two, undefined)]).toEqual([
      6, 1,
    ]);
    await store.close();
  });
});

describe.skipIf(!hasRedis)('a crashed gateway', () => {
  test('has its slots released by another; its other charges stay', async () => {
    const { url } = await sharedRedis();
    const prefix = `killed-${unique()}`;
    const dead = await redisStore(url, prefix, false);
    const [two, day] = [concurrency(2), quota(10)];
    granted(await dead.reserve([charge(two), charge(day, 3)]));
    await dead.heartbeat();
    const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    const events = new RecordedEvents();
    const later = {
      ...systemClock,
      now: () => systemClock.now(),
      wallTime: () => systemClock.wallTime() + 60_000,
      sleep: systemClock.sleep.bind(systemClock),
    };
    const other = new RedisLimitStore({
      ...{ client, prefix, cluster: false, clock: later, replica: 'other' },
      cachedUse: () => 0,
      onUse: () => undefined,
      events,
    });
    expect(await other.heartbeat()).toBe(1);
    expect([events.payloads, await other.heartbeat()]).toEqual([[{ count: 1 }], 1]);
    const answers = [
      granted(await other.reserve([charge(two)])),
      granted(await other.reserve([charge(two)])),
    ];
    expect(answers).toHaveLength(2);
    expect(await other.stateOf(day, charge(day).period)).toBe(3);
    await other.close();
    await dead.close();
  });
});
