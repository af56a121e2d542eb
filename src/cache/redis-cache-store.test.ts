import { describe, expect, test } from 'bun:test';
import { cacheStoreConformance, entryOf } from '../../test/support/cache-store-conformance.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import {
  hasRedis,
  startRedis,
  startRedisCluster,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import { systemClock } from '../core/clock.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { connectRedis } from '../storage/kv/connect-redis.ts';
import type { CachedResponse } from './cache-entry.ts';
import { EntryCodec } from './entry-codec.ts';
import { RedisCacheStore, type SkipReason } from './redis-cache-store.ts';

const BOX = new SecretBox('secret', 'cache');

function storeOn(
  client: RedisClient,
  more: { timeoutMs?: number; maxEntries?: number; clock?: FakeClock } = {},
) {
  const skips: SkipReason[] = [];
  const store = new RedisCacheStore<CachedResponse>({
    ...{ client, clock: more.clock ?? systemClock, prefix: 'test', kind: 'exact' },
    codec: new EntryCodec<CachedResponse>(BOX),
    timeoutMs: () => more.timeoutMs ?? 2_000,
    maxEntries: () => more.maxEntries ?? 10_000,
    onSkip: (reason) => skips.push(reason),
    onRecovered: () => skips.push('timeout'),
  });
  return { store, skips };
}

/** Counts the commands that are under way, so that a test can wait for them. */
function counted(client: RedisClient) {
  let open = 0;
  const calls: string[] = [];
  const watched: RedisClient = {
    get ready() {
      return client.ready;
    },
    call: async (command, args) => {
      calls.push(command);
      open += 1;
      try {
        return await client.call(command, args);
      } finally {
        open -= 1;
      }
    },
    connected: () => client.connected(),
    disconnect: () => client.disconnect(),
  };
  const idle = async (store: RedisCacheStore<CachedResponse>) => {
    while (open > 0 || store.pendingWrites > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  return { watched, idle, calls };
}

if (hasRedis) {
  const open = async (starting: Promise<TestRedis>) => {
    const server = await starting;
    const client = await connectRedis({ url: server.url, timeoutMs: 2_000, onError: () => undefined });
    await client.connected();
    const close = async () => {
      client.disconnect();
      await server.dispose();
    };
    return { client, close };
  };
  for (const [name, start] of [
    ['Redis', () => startRedis([])],
    ['a cluster of Redis', startRedisCluster],
  ] as const) {
    cacheStoreConformance(name, async () => {
      const { client, close } = await open(start());
      const { watched, idle } = counted(client);
      const { store } = storeOn(watched);
      return { store, settled: () => idle(store), close };
    });
  }

  describe('Redis', () => {
    test('a hit is one round trip, and KEYS and SCAN are never sent', async () => {
      const { client, close } = await open(startRedis([]));
      const { watched, idle, calls } = counted(client);
      const { store } = storeOn(watched, { maxEntries: 16 });
      const entry = entryOf('one');
      store.set(entry);
      await idle(store);
      calls.length = 0;
      expect(Object(await store.get(entry.key, 'acme')).key).toBe(entry.key);
      expect(calls).toEqual(['GET']);
      // One entry for each bucket: the one that expires first goes.
      const sameBucket = Array.from({ length: 200 }, (_, index) => entryOf(`k${index}`)).filter(({ key }) =>
        key.startsWith(entry.key.slice(0, 1)),
      );
      for (const other of sameBucket.slice(0, 3)) {
        store.set(other);
        await idle(store);
      }
      expect(await store.get(entry.key, 'acme')).toBeUndefined();
      await store.clear({}, false);
      expect(calls).not.toContain('KEYS');
      expect(calls).not.toContain('SCAN');
      await close();
    });

    test('entries that were changed, cut off or written by another are not served', async () => {
      const { client, close } = await open(startRedis([]));
      const { watched, idle } = counted(client);
      const { store } = storeOn(watched);
      const entry = entryOf('victim');
      const name = `test:cache:{exact:acme:${entry.key.slice(0, 1)}}:${entry.key}`;
      const other = new EntryCodec<CachedResponse>(new SecretBox('another secret', 'cache'));
      store.set(entry);
      await idle(store);
      const stored = String(await client.call('GET', [name]));
      const forged = `1.${await other.encode(entry)}`;
      const oldFormat = `1.${Buffer.concat([Buffer.of(0), Buffer.from(stored.slice(2), 'base64').subarray(1)]).toString('base64')}`;
      const foreign = `1.${await new EntryCodec<CachedResponse>(BOX).encode(entryOf('other', { tenant: 'other' }))}`;
      const bad = [
        stored.slice(0, -40),
        stored.slice(0, 3),
        `${stored.slice(0, 60)}AAAA${stored.slice(64)}`,
        forged,
        oldFormat,
      ];
      for (const value of [...bad, '', 'x', '99999999.x', '2.abc', `1.${JSON.stringify(entry)}`]) {
        await client.call('SET', [name, value]);
        expect(await store.get(entry.key, 'acme')).toBeUndefined();
      }
      // A whole entry at another place: its reader sees that it is not the one.
      await client.call('SET', [name, foreign]);
      expect(Object(await store.get(entry.key, 'acme')).owner.tenant).toBe('other');
      await close();
    });
  });
}

describe('a Redis that does not respond', () => {
  const client = (call: RedisClient['call'], ready = true): RedisClient => ({
    ...{ ready, call },
    connected: async () => undefined,
    disconnect: () => undefined,
  });

  test('is skipped after the time limit, then not asked for a second', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const { store, skips } = storeOn(
      client(() => {
        asked += 1;
        return new Promise(() => undefined);
      }),
      { timeoutMs: 5, clock },
    );
    const startedAt = performance.now();
    expect(await store.get('a', 't')).toBe('skipped');
    expect(performance.now() - startedAt).toBeLessThan(500);
    for (let index = 0; index < 4; index += 1) expect(await store.get('a', 't')).toBe('skipped');
    expect([asked, skips]).toEqual([3, ['timeout', 'timeout', 'timeout', 'paused', 'paused']]);
    clock.advance(1_001);
    await store.getMany(['a', 'b'], 't');
    expect(asked).toBe(5);
  });

  test('is tried by one lookup after the pause, and by all once it responds', async () => {
    const clock = new FakeClock();
    const waiting: ((reply: null) => void)[] = [];
    const { store } = storeOn(
      client(() => new Promise((resolve) => waiting.push(resolve))),
      { timeoutMs: 5, clock },
    );
    for (let index = 0; index < 3; index += 1) await store.get('a', 't');
    clock.advance(1_001);
    const probe = store.get('a', 't');
    expect(await store.get('a', 't')).toBe('skipped');
    expect(waiting).toHaveLength(4);
    waiting.at(-1)?.(null);
    expect(await probe).toBeUndefined();
    const next = store.get('a', 't');
    expect(waiting).toHaveLength(5);
    waiting.at(-1)?.(null);
    expect(await next).toBeUndefined();
  });

  test('gets all commands of a new entry at once', async () => {
    const calls: string[] = [];
    const { store } = storeOn(
      client((command) => {
        calls.push(command);
        return new Promise(() => undefined);
      }),
    );
    store.set(entryOf('a'));
    // The entry is encoded first.
    while (calls.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(calls.toSorted()).toEqual(['EVALSHA', 'SADD', 'SET']);
  });

  test('is not asked while it is not connected', async () => {
    const { store, skips } = storeOn(client(() => Promise.reject(new Error('asked')), false));
    store.set(entryOf('a'));
    store.delete('a', 't');
    expect([await store.get('a', 't'), await store.getMany(['a'], 't')]).toEqual(['skipped', 'skipped']);
    expect(skips).toEqual(['unavailable', 'unavailable', 'unavailable']);
  });

  test('a failing command is a miss, and clear says so', async () => {
    const { store, skips } = storeOn(client(() => Promise.reject(new Error('down'))));
    expect(await store.get('a', 't')).toBe('skipped');
    expect(skips).toEqual(['unavailable']);
    expect(store.clear({}, true)).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('too many writes at the same time are not made', () => {
    const { store, skips } = storeOn(client(() => new Promise(() => undefined)));
    for (let index = 0; index < 70; index += 1) store.set(entryOf(String(index)));
    expect(skips).toEqual(Array.from({ length: 6 }, () => 'overloaded'));
  });
});
