import { expect, test } from 'bun:test';
import { cacheStoreConformance, entryOf } from '../../test/support/cache-store-conformance.ts';
import { type CachedResponse, responseBytes } from './cache-entry.ts';
import { MemoryCacheStore } from './memory-cache-store.ts';

const LIMITS = { maxEntries: 100, maxBytes: 50_000_000 };

cacheStoreConformance('memory', async () => ({
  store: new MemoryCacheStore<CachedResponse>(LIMITS, responseBytes),
  settled: async () => undefined,
  close: async () => undefined,
}));

test('the least recently used entry is removed first', () => {
  const store = new MemoryCacheStore<CachedResponse>({ maxEntries: 2, maxBytes: 1_000_000 }, responseBytes);
  const [a, b, c] = [entryOf('a'), entryOf('b'), entryOf('c')];
  store.set(a);
  store.set(b);
  store.get(a.key);
  store.set(c);
  expect([a, b, c].map(({ key }) => store.get(key) !== undefined)).toEqual([true, false, true]);
});

test('the bytes are bounded, and an entry beyond them is not kept', () => {
  const store = new MemoryCacheStore<CachedResponse>({ maxEntries: 100, maxBytes: 10_000 }, responseBytes);
  for (let index = 0; index < 20; index += 1)
    store.set(entryOf(String(index), { value: { text: 'x'.repeat(1_000) } }));
  expect(store.contents()).toEqual({ entries: 3, bytes: 9_000 });
  const large = entryOf('large', { value: { text: 'x'.repeat(20_000) } });
  store.set(large);
  expect(store.get(large.key)).toBeUndefined();
});

test('other bounds keep the entries that fit, the most recent first', () => {
  const store = new MemoryCacheStore<CachedResponse>(LIMITS, responseBytes);
  const entries = ['a', 'b', 'c'].map((key) => entryOf(key));
  for (const entry of entries) store.set(entry);
  store.configure({ maxEntries: 2, maxBytes: 1_000_000 });
  expect(entries.map(({ key }) => store.get(key) !== undefined)).toEqual([false, true, true]);
});
