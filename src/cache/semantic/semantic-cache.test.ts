import { afterAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { entryOf } from '../../../test/support/cache-store-conformance.ts';
import { FakeClock, settle } from '../../../test/support/fake-clock.ts';
import { hasRedis, startRedis, type TestRedis } from '../../../test/support/services/redis.ts';
import { wordVector } from '../../../test/support/word-vectors.ts';
import { systemClock } from '../../core/clock.ts';
import { SecretBox } from '../../platform/secret-box.ts';
import { connectRedis } from '../../storage/kv/connect-redis.ts';
import { type CachedResponse, type CacheEntry, responseBytes } from '../cache-entry.ts';
import type { CacheStore } from '../cache-store.ts';
import { normalised } from '../embedders/embedder.ts';
import { EntryCodec } from '../entry-codec.ts';
import { MemoryCacheStore } from '../memory-cache-store.ts';
import { RedisCacheStore } from '../redis-cache-store.ts';
import { RedisLookups } from '../redis-lookups.ts';
import { SemanticCache, type SemanticQuery, type SemanticSkip } from './semantic-cache.ts';
import { partitionKey } from './semantic-partition.ts';
import { PLAIN_PAYLOADS, sealedPayloads } from './semantic-payload.ts';
import { MemoryVectorStore } from './stores/memory-vector-store.ts';
import type { VectorStore } from './vector-store.ts';

const SEARCH = { threshold: 0.8, candidates: 5, timeoutMs: 50 };

function vectors(): MemoryVectorStore {
  return new MemoryVectorStore({ maxEntries: 1_000, maxBytes: 10_000_000, maxEntriesPerTenant: 1_000 });
}

function responses(): MemoryCacheStore<CachedResponse> {
  return new MemoryCacheStore<CachedResponse>({ maxEntries: 1_000, maxBytes: 10_000_000 }, responseBytes);
}

function queryOf(question: string, tenant = 'acme', namespace = '', rest = ''): SemanticQuery {
  const partition = partitionKey({ tenant, namespace, route: 'chat', rest, embedder: 'words 64' });
  const vector = normalised(wordVector(question)) ?? new Float32Array();
  return { question, partition, tenant, namespace, vector };
}

function cacheOf(
  more: {
    readonly vectors?: VectorStore;
    readonly responses?: CacheStore<CachedResponse>;
    readonly clock?: FakeClock;
  } = {},
) {
  const skips: SemanticSkip[] = [];
  const cache = new SemanticCache({
    clock: more.clock ?? systemClock,
    vectors: more.vectors ?? vectors(),
    responses: more.responses ?? responses(),
    payloads: PLAIN_PAYLOADS,
    onSkip: (reason) => skips.push(reason),
  });
  return { cache, skips };
}

const ASKED = queryOf('How do I reset my password?');

describe('semantic cache', () => {
  test('finds what was remembered, and forgets a question whose response is gone', async () => {
    const kept = responses();
    const { cache } = cacheOf({ responses: kept });
    const entry = entryOf('one');
    cache.remember(ASKED, 'req_1', entry, 60_000);
    const { match } = await cache.find(ASKED, SEARCH);
    expect([match?.requestId, match?.entry.value.text]).toEqual(['req_1', entry.value.text]);
    kept.delete(entry.key);
    expect((await cache.find(ASKED, SEARCH)).rejected?.reason).toBe('expired');
    expect(await cache.find(ASKED, SEARCH)).toEqual({ rejected: undefined });
  });

  test('poisoned records are removed and never served', async () => {
    const poisons = [
      'no json',
      '{}',
      JSON.stringify({ ...ASKED, requestId: 'r', key: 'other-key' }),
      JSON.stringify({ ...ASKED, requestId: 'r', key: 'poison', tenant: 'globex' }),
      JSON.stringify({ ...ASKED, requestId: 'r', key: 'poison', namespace: 'b' }),
      JSON.stringify({ ...ASKED, requestId: 'r', key: 'poison', partition: 'p' }),
    ];
    for (const payload of poisons) {
      const store = vectors();
      const { cache } = cacheOf({ vectors: store });
      const owner = { tenant: 'acme', namespace: '', model: 'chat', tags: [] };
      const times = { storedAt: Date.now(), expiresAt: Date.now() + 60_000 };
      store.add({ id: 'poison', partition: ASKED.partition, owner, ...times, vector: ASKED.vector, payload });
      expect(await cache.find(ASKED, SEARCH)).toEqual({ rejected: undefined });
      expect(store.contents().entries).toBe(0);
    }
  });

  test('responses of another tenant, of the future or of another version are not served', async () => {
    for (const poison of [
      { owner: { tenant: 'globex', namespace: '', model: 'chat', tags: [] } },
      { owner: { tenant: 'acme', namespace: 'b', model: 'chat', tags: [] } },
      { format: 0 },
      { storedAt: Date.now() + 60_000 },
      { key: 'another' },
    ] satisfies Partial<CacheEntry<CachedResponse>>[]) {
      const kept = responses();
      const { cache } = cacheOf({
        responses: replacing(kept, { get: () => ({ ...entryOf('one'), ...poison }) }),
      });
      cache.remember(ASKED, 'req_1', entryOf('one'), 60_000);
      expect((await cache.find(ASKED, SEARCH)).match).toBeUndefined();
    }
  });

  test('a store that never responds is skipped in time, then not asked for a second', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const hanging = replacing<VectorStore>(vectors(), {
      search: () => {
        asked += 1;
        return new Promise(() => undefined);
      },
    });
    const { cache, skips } = cacheOf({ vectors: hanging, clock });
    for (let turn = 0; turn < 3; turn += 1) {
      const finding = cache.find(ASKED, SEARCH);
      await settle();
      clock.advance(50);
      expect((await finding).skipped).toBe('timeout');
    }
    expect(await cache.find(ASKED, SEARCH)).toEqual({ skipped: 'paused' });
    expect([asked, skips]).toEqual([3, ['timeout', 'timeout', 'timeout']]);
    clock.advance(1_000);
    void cache.find(ASKED, SEARCH);
    expect(asked).toBe(4);
  });

  test('a store that fails is counted and skipped', async () => {
    const failing = replacing<VectorStore>(vectors(), {
      search: () => Promise.reject(new Error('down')),
      add: () => Promise.reject(new Error('down')),
    });
    const { cache, skips } = cacheOf({ vectors: failing });
    expect((await cache.find(ASKED, SEARCH)).skipped).toBe('unavailable');
    cache.remember(ASKED, 'req_1', entryOf('one'), 60_000);
    await settle();
    expect(skips).toEqual(['unavailable', 'unavailable']);
  });

  test('sealed payloads of another installation, or changed ones, cannot be opened', () => {
    const codec = sealedPayloads(new SecretBox('secret', 'cache'));
    const payload = { question: 'q', requestId: 'r', key: 'k', tenant: 't', namespace: '', partition: 'p' };
    const text = codec.encode(payload);
    expect(text).not.toContain('question');
    expect(codec.decode(text)).toEqual(payload);
    expect(codec.decode(`A${text.slice(1)}`)).toBeUndefined();
    expect(sealedPayloads(new SecretBox('another', 'cache')).decode(text)).toBeUndefined();
  });
});

const redis: TestRedis | undefined = hasRedis ? await startRedis() : undefined;
afterAll(() => redis?.dispose());

const QUESTIONS = [
  'How do I reset my password?',
  'What are the steps to reset my password?',
  'How do I not reset my password?',
  'What is 2 plus 3?',
  'What is 3 plus 2?',
];

async function isolated(
  store: CacheStore<CachedResponse>,
  settled: () => Promise<void>,
  runs: number,
): Promise<void> {
  const name = fc.constantFrom('a', 'b', 'ab', 'a b', '', "'", '["a"]');
  const request = fc.record({
    tenant: name,
    namespace: name,
    rest: name,
    question: fc.constantFrom(...QUESTIONS),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), request, async (stored, asked) => {
      run += 1;
      const { cache } = cacheOf({ responses: store });
      for (const [index, { tenant, namespace, rest, question }] of stored.entries()) {
        const facts = JSON.stringify([tenant, namespace, rest]);
        const entry = entryOf(`${run} ${index}`, { tenant, namespace, value: { text: facts } });
        cache.remember(queryOf(question, tenant, namespace, rest), `r${index}`, entry, 60_000);
      }
      await settled();
      const { tenant, namespace, rest, question } = asked;
      const found = await cache.find(queryOf(question, tenant, namespace, rest), {
        ...SEARCH,
        threshold: 0.1,
        timeoutMs: 5_000,
      });
      const text = found.match?.entry.value.text;
      if (text !== undefined) expect(text).toBe(JSON.stringify([tenant, namespace, rest]));
      const isSame = stored.some(
        (one) =>
          one.tenant === tenant &&
          one.namespace === namespace &&
          one.rest === rest &&
          one.question === question,
      );
      if (isSame) expect(text).toBeDefined();
    }),
    { numRuns: runs },
  );
}

describe('property: a response reaches only requests of its tenant, namespace and rest', () => {
  test('in memory', () => isolated(responses(), async () => undefined, 200));

  test.skipIf(!redis)('in Redis', async () => {
    const client = await connectRedis({ url: redis?.url ?? '', timeoutMs: 5_000, onError: () => undefined });
    await client.connected();
    const nothing = () => undefined;
    const lookups = new RedisLookups({
      ...{ clock: systemClock, timeoutMs: () => 5_000, isConnected: () => client.ready },
      ...{ onSkip: nothing, onLost: nothing, onRecovered: nothing },
    });
    const store = new RedisCacheStore<CachedResponse>({
      ...{ client, lookups, clock: systemClock, prefix: 'test', kind: 'semantic' },
      codec: new EntryCodec<CachedResponse>(new SecretBox('secret', 'cache')),
      maxEntries: () => 10_000,
    });
    const settled = async () => {
      while (store.pendingWrites > 0) await new Promise((resolve) => setImmediate(resolve));
    };
    await isolated(store, settled, 40);
    client.disconnect();
  });
});

/** A store in which some methods are replaced. */
function replacing<Store extends object>(store: Store, methods: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
