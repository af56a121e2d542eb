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
import { RedisCacheStore } from './redis-cache-store.ts';
import { RedisLookups, type SkipReason } from './redis-lookups.ts';

const BOX = new SecretBox('secret', 'cache');

function storeOn(
  client: RedisClient,
  more: { timeoutMs?: number; maxEntries?: number; clock?: FakeClock; replica?: RedisClient } = {},
) {
  const skips: SkipReason[] = [];
  const changes: ('lost' | 'recovered')[] = [];
  const clock = more.clock ?? systemClock;
  const lookups = new RedisLookups({
    isConnected: () => client.ready || more.replica?.ready === true,
    clock,
    timeoutMs: () => more.timeoutMs ?? 2_000,
    onSkip: (reason) => skips.push(reason),
    onLost: () => changes.push('lost'),
    onRecovered: () => changes.push('recovered'),
  });
  const of = (kind: string) =>
    new RedisCacheStore<CachedResponse>({
      ...{ client, replica: more.replica, clock, prefix: 'test', kind, lookups },
      codec: new EntryCodec<CachedResponse>(BOX),
      maxEntries: () => more.maxEntries ?? 10_000,
    });
  return { store: of('exact'), other: of('semantic'), skips, changes };
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

    test('entries are read from a replica', async () => {
      const server = await startRedis([]);
      const { client, close } = await open(Promise.resolve(server));
      const follower = await open(
        startRedis(['--replicaof', '127.0.0.1', new URL(server.url).port, '--repl-diskless-sync-delay', '0']),
      );
      const { watched, idle, calls } = counted(client);
      const { store } = storeOn(watched, { replica: follower.client });
      const entry = entryOf('replicated');
      store.set(entry);
      await idle(store);
      const deadline = performance.now() + 20_000;
      while ((await store.get(entry.key, 'acme')) === undefined && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 10));
      expect(Object(await store.get(entry.key, 'acme')).key).toBe(entry.key);
      expect(calls).not.toContain('GET');
      await follower.close();
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

  test('costs the first requests its time limit and no other, whatever kind of entries they want', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const { store, other, skips } = storeOn(
      client(() => {
        asked += 1;
        return new Promise(() => undefined);
      }),
      { timeoutMs: 5, clock },
    );
    await Promise.all([store.get('a', 't'), other.get('b', 't'), store.lease('c', 't', 60_000)]);
    const later = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? store : other));
    // Resolved in this turn: no timer runs for them.
    const results = await Promise.all(later.map((one, index) => one.get(String(index), 't')));
    expect(new Set(results)).toEqual(new Set(['skipped']));
    expect([asked, skips.filter((reason) => reason === 'paused').length]).toEqual([3, 100]);
  });

  test('is tried by one lookup after the pause, and by all once it responds', async () => {
    const clock = new FakeClock();
    const waiting: ((reply: null) => void)[] = [];
    const { store, changes } = storeOn(
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
    expect(changes).toEqual(['lost', 'recovered']);
  });

  test('is read from its replica, also while the primary is lost', async () => {
    const entry = entryOf('a');
    const stored = `1.${await new EntryCodec<CachedResponse>(BOX).encode(entry)}`;
    const calls: string[] = [];
    let isPrimaryReady = true;
    const primary: RedisClient = {
      ...client(async (command) => void calls.push(command)),
      get ready() {
        return isPrimaryReady;
      },
    };
    let isReplicaReady = true;
    const replica: RedisClient = {
      ...client(async () => stored),
      get ready() {
        return isReplicaReady;
      },
    };
    const { store, skips, changes } = storeOn(primary, { replica });
    const find = async () => Object(await store.get(entry.key, 'acme')).key;
    expect(await find()).toBe(entry.key);
    isPrimaryReady = false;
    expect(await find()).toBe(entry.key);
    store.set(entry);
    expect(await store.lease(entry.key, 'acme', 1_000)).toBe('skipped');
    expect([skips, changes]).toEqual([['unavailable'], []]);
    isPrimaryReady = true;
    isReplicaReady = false;
    expect([await find(), calls]).toEqual([undefined, ['GET']]);
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
