import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  canStopRedis,
  hasRedis,
  sharedRedis,
  startRedis,
  type TestRedis,
} from '../../test/support/services/redis.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { connectRedis } from './kv/connect-redis.ts';
import { RedisReplayStore } from './kv/redis-replay-store.ts';
import { MemoryReplayStore } from './memory-replay-store.ts';
import { REPLAY_MS, type ReplayLease, type ReplayStore, type StoredResponse } from './replay-store.ts';

const response = (text: string | null): StoredResponse => ({
  headers: [['content-type', 'text/plain']],
  text,
});
const clients: RedisClient[] = [];
let prefixes = 0;

async function redisStore(url: string, local: ReplayStore, prefix: string): Promise<RedisReplayStore> {
  const client = await connectRedis({ url, timeoutMs: 2_000, onError: () => undefined });
  clients.push(client);
  await client.connected();
  return new RedisReplayStore({
    ...{ prefix, local, now: () => Date.now(), newId: () => crypto.randomUUID() },
    connect: async () => client,
    bounds: { entries: 100, bytes: 1_000_000 },
    box: new SecretBox('secret', 'test'),
  });
}
afterAll(() => {
  for (const client of clients) client.disconnect();
});

async function first(
  store: ReplayStore,
  tenant: string,
  key: string,
  fingerprint = 'f',
): Promise<ReplayLease> {
  const state = await store.begin(tenant, key, fingerprint);
  if (state.kind !== 'first') throw new Error(state.kind);
  return state.lease;
}

const BACKENDS: readonly [string, boolean, () => Promise<ReplayStore>][] = [
  [
    'memory',
    true,
    async () =>
      new MemoryReplayStore(() => Date.now(), {
        ...{ tenantLength: 1_000_000, tenantEntries: 100, totalLength: 10_000_000 },
      }),
  ],
  [
    'Redis',
    hasRedis,
    async () =>
      redisStore((await sharedRedis()).url, new MemoryReplayStore(() => Date.now()), `replay-${++prefixes}`),
  ],
];

for (const [name, available, create] of BACKENDS) {
  describe.skipIf(!available)(`responses by idempotency key, in ${name}`, () => {
    let store: ReplayStore;
    beforeAll(async () => {
      store = await create();
    });

    test('one request runs, others with its key wait for its response', async () => {
      const lease = await first(store, 'acme', 'k1');
      expect(await store.begin('acme', 'k1', 'f')).toEqual({ kind: 'running' });
      expect(await store.begin('acme', 'k1', 'another')).toEqual({ kind: 'other' });
      await store.renew();
      await lease.complete(response('Grüße'));
      expect(await store.begin('acme', 'k1', 'f')).toEqual({ kind: 'stored', response: response('Grüße') });
      expect(await store.begin('acme', 'k1', 'another')).toEqual({ kind: 'other' });
      await store.renew();
    });

    test('keys belong to their tenant', async () => {
      await (await first(store, 'acme', 'k2')).complete(response('one'));
      await (await first(store, 'other', 'k2')).complete(response('two'));
      expect(await store.begin('other', 'k2', 'f')).toMatchObject({ response: { text: 'two' } });
    });

    test('a request that failed may be executed again', async () => {
      await (await first(store, 'acme', 'k3')).release();
      const lease = await first(store, 'acme', 'k3');
      await lease.complete(response(null));
      expect(await store.begin('acme', 'k3', 'f')).toEqual({ kind: 'stored', response: response(null) });
    });

    test('of many at once, one runs', async () => {
      const states = await Promise.all(Array.from({ length: 20 }, () => store.begin('acme', 'k4', 'f')));
      expect(states.filter(({ kind }) => kind === 'first')).toHaveLength(1);
      expect(states.filter(({ kind }) => kind === 'running')).toHaveLength(19);
    });

    test('keeps a bounded amount of a tenant, the newest', async () => {
      const text = 'x'.repeat(50_000);
      for (let at = 0; at < 100; at += 1) {
        await (await first(store, 'heavy', `h${at}`)).complete(response(text));
      }
      expect((await store.begin('heavy', 'h0', 'f')).kind).toBe('first');
      expect((await store.begin('heavy', 'h99', 'f')).kind).toBe('stored');
      // Those of other tenants stay.
      expect((await store.begin('acme', 'k1', 'f')).kind).toBe('stored');
    }, 60_000);
  });
}

test('memory: responses expire, running requests do not', async () => {
  let now = 0;
  const store = new MemoryReplayStore(() => now);
  await (await first(store, 'acme', 'done')).complete(response('x'));
  await first(store, 'acme', 'running');
  now = REPLAY_MS - 1;
  expect((await store.begin('acme', 'done', 'f')).kind).toBe('stored');
  now = REPLAY_MS;
  expect((await store.begin('acme', 'running', 'f')).kind).toBe('running');
  expect((await store.begin('acme', 'done', 'g')).kind).toBe('first');
});

test('memory: all tenants together stay within the bound', async () => {
  const bounds = { tenantLength: 1_000, tenantEntries: 5, totalLength: 3_000 };
  const store = new MemoryReplayStore(() => 0, bounds);
  for (let tenant = 0; tenant < 20; tenant += 1) {
    for (let key = 0; key < 20; key += 1) {
      await (await first(store, `t${tenant}`, `k${key}`)).complete(response('x'.repeat(100)));
    }
    expect(store.length).toBeLessThanOrEqual(bounds.totalLength);
  }
  expect((await store.begin('t19', 'k19', 'f')).kind).toBe('stored');
});

describe.skipIf(!canStopRedis)('while Redis is unreachable', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis([]);
  });
  afterAll(() => redis?.dispose());

  test('the gateway’s own memory serves', async () => {
    const store = await redisStore(redis.url, new MemoryReplayStore(() => Date.now()), 'down');
    const running = await first(store, 'acme', 'before');
    await redis.stop();
    await running.complete(response('lost'));
    await (await first(store, 'acme', 'k')).complete(response('x'));
    expect((await store.begin('acme', 'k', 'f')).kind).toBe('stored');
  }, 30_000);
});
