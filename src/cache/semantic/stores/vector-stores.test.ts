import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { vector as pgvector } from '@electric-sql/pglite/vector';
import { getLoadablePath } from 'sqlite-vec';
import { FakeVectorSets } from '../../../../test/support/fake-vector-sets.ts';
import { startQdrant } from '../../../../test/support/services/qdrant.ts';
import { startRedis8 } from '../../../../test/support/services/redis.ts';
import { vectorStoreConformance } from '../../../../test/support/vector-store-conformance.ts';
import { SqliteThread } from '../../../platform/sqlite-thread.ts';
import { connectRedis } from '../../../storage/kv/connect-redis.ts';
import { connectIoredis } from '../../../storage/kv/ioredis-client.ts';
import { MemoryVectorStore } from './memory-vector-store.ts';
import { PostgresVectorStore } from './postgres-vector-store.ts';
import { QdrantVectorStore } from './qdrant-vector-store.ts';
import { RedisVectorStore } from './redis-vector-store.ts';
import { SqliteVectorStore } from './sqlite-vector-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-vectors-'));
const qdrant = await startQdrant();
afterAll(() => {
  qdrant?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const LIMITS = { maxEntries: 1_000, maxBytes: 1_000_000, maxEntriesPerTenant: 100 };

vectorStoreConformance('memory', async () => new MemoryVectorStore(LIMITS));

vectorStoreConformance('sqlite-vec', async () => {
  const thread = new SqliteThread({ path: join(folder, 'vectors.db'), extension: getLoadablePath() });
  return new SqliteVectorStore({ thread, maxEntries: () => 1_000 });
});

vectorStoreConformance('pgvector in PGlite', async () => {
  const database = await PGlite.create({ extensions: { vector: pgvector } });
  return new PostgresVectorStore({
    query: async (sql, params) => (await database.query<Record<string, unknown>>(sql, [...params])).rows,
    maxEntries: () => 1_000,
    close: () => database.close(),
  });
});

if (qdrant) {
  vectorStoreConformance("Qdrant's engine", async () => {
    const { url } = qdrant;
    return new QdrantVectorStore({
      ...{ url, apiKey: undefined, collection: 'test', timeoutMs: 10_000 },
      fetch: (address, init) => fetch(address, init),
    });
  });
}

vectorStoreConformance('the protocol of Redis vector sets', async () => {
  const client = new FakeVectorSets();
  return new RedisVectorStore({ client, prefix: 'test', close: () => undefined });
});

const redis = await startRedis8();
afterAll(() => redis?.dispose());

if (redis) {
  for (const name of ['the runtime', 'ioredis'] as const) {
    vectorStoreConformance(`vector sets of Redis 8, with the client of ${name}`, async () => {
      const settings = { url: redis.url, timeoutMs: 10_000, onError: () => undefined };
      const client = name === 'ioredis' ? connectIoredis(settings) : await connectRedis(settings);
      await client.connected();
      await client.call('FLUSHALL', []);
      return new RedisVectorStore({ client, prefix: 'test', close: () => client.disconnect() });
    });
  }
}

const record = (id: string, tenant = 'acme', storedAt = 0) => ({
  ...{ id, partition: `of ${tenant}`, owner: { tenant, namespace: '', model: 'chat', tags: [] } },
  ...{ storedAt, expiresAt: 1e15, vector: Float32Array.of(1, 0), payload: 'p' },
});

describe('bounds', () => {
  test('memory keeps so many of a tenant, and no more bytes than configured', async () => {
    const store = new MemoryVectorStore({ maxEntries: 10, maxBytes: 1_000_000, maxEntriesPerTenant: 3 });
    for (let index = 0; index < 5; index += 1) store.add(record(`a${index}`));
    store.add(record('b', 'globex'));
    expect(await store.clear({ tenant: 'acme' }, true)).toBe(3);
    const query = {
      tenant: 'acme',
      partition: 'of acme',
      vector: Float32Array.of(1, 0),
      limit: 9,
      threshold: 0,
      now: 1,
    };
    expect(store.search(query).map(({ id }) => id)).toEqual(['a2', 'a3', 'a4']);
    store.configure({ maxEntries: 10, maxBytes: 500, maxEntriesPerTenant: 3 });
    expect(store.contents().entries).toBe(1);
    store.add({ ...record('large'), payload: 'x'.repeat(1_000) });
    expect(store.contents().entries).toBe(1);
  });

  test('one search compares a bounded number of values', () => {
    const store = new MemoryVectorStore({ maxEntries: 1e6, maxBytes: 1e9, maxEntriesPerTenant: 1e6 });
    const vector = new Float32Array(200_000).fill(0.1);
    for (let index = 0; index < 20; index += 1) store.add({ ...record(`r${index}`), vector });
    expect(store.contents().entries).toBe(10);
  });

  test('a file keeps the newest records', async () => {
    const thread = new SqliteThread({ path: join(folder, 'bounded.db'), extension: getLoadablePath() });
    const store = new SqliteVectorStore({ thread, maxEntries: () => 20 });
    for (let index = 1; index <= 100; index += 1) await store.add(record(`r${index}`, 'acme', index));
    expect(await store.clear({}, true)).toBe(20);
    expect(await store.clear({ storedBefore: 81 }, true)).toBe(0);
    await store.close();
  });

  test('an extension that cannot be loaded is an error of each call', async () => {
    const thread = new SqliteThread({ path: join(folder, 'none.db'), extension: '/nowhere/vec0' });
    const store = new SqliteVectorStore({ thread, maxEntries: () => 20 });
    await expect(store.add(record('one'))).rejects.toThrow();
    await expect(store.add(record('one'))).rejects.toThrow();
    await store.close();
  });
});
