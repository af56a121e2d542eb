import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type CachedResponse,
  type CacheEntry,
  ENTRY_FORMAT,
  usability,
} from '../../src/cache/cache-entry.ts';
import { exactKey } from '../../src/cache/cache-key.ts';
import type { CacheStore } from '../../src/cache/cache-store.ts';
import { sha256Hex } from '../../src/platform/hash.ts';
import { runs } from './effort.ts';
import { testCall } from './inference.ts';

export const RESPONSE: CachedResponse = {
  ...{ dialect: 'openai-chat', modelName: 'chat', variant: '', provider: 'up', upstreamModel: 'up' },
  usage: { inputTokens: 3, outputTokens: 2, raw: { prompt_tokens: 3 } },
  ...{ finishReason: 'stop', warnings: [], durationMs: 12, nanoUsd: 5, text: '{"a":"ü"}' },
};

/** @param now Unix milliseconds */
export function entryOf(
  key: string,
  more: Partial<CacheEntry<CachedResponse>['owner']> & { readonly value?: Partial<CachedResponse> } = {},
  now = Date.now(),
): CacheEntry<CachedResponse> {
  const { value, ...owner } = more;
  return {
    ...{ format: ENTRY_FORMAT, key: sha256Hex(key) },
    owner: { tenant: 'acme', namespace: '', model: 'chat', tags: [], ...owner },
    ...{ storedAt: now, freshUntil: now + 60_000, usableUntil: now + 60_000 },
    value: { ...RESPONSE, ...value },
  };
}

export interface TestedStore {
  readonly store: CacheStore<CachedResponse>;
  /** Resolves when everything that was set can be read. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** What every store of the cache does. */
export function cacheStoreConformance(name: string, open: () => Promise<TestedStore>): void {
  describe(`${name} as a store of the cache`, () => {
    let tested: TestedStore;
    beforeAll(async () => {
      tested = await open();
    });
    afterAll(() => tested.close());
    const put = async (...entries: readonly CacheEntry<CachedResponse>[]) => {
      for (const entry of entries) tested.store.set(entry);
      await tested.settled();
    };
    const get = async ({ key, owner }: CacheEntry<CachedResponse>) => tested.store.get(key, owner.tenant);

    test('returns what was set, byte for byte', async () => {
      const entries = [
        entryOf('text'),
        entryOf('frames', {
          value: { text: undefined, frames: Buffer.from('data: {"a":"ü"}\n\n'), pace: [4, 1] },
        }),
        entryOf('mark', { value: { text: undefined, frames: Uint8Array.of(0xef, 0xbb, 0xbf, 97) } }),
        entryOf('bytes', { value: { text: undefined, frames: Uint8Array.of(0, 255, 254, 10, 128) } }),
        entryOf('events', { value: { events: [{ type: 'start' }, { type: 'end' }] } }),
        entryOf('large', { value: { text: Buffer.alloc(700_000, 'x').toString() } }),
        entryOf('random', {
          value: { frames: crypto.getRandomValues(new Uint8Array(60_000)), text: undefined },
        }),
        entryOf('huge', {
          value: {
            text: Array.from({ length: 30_000 }, (_, index) => sha256Hex(String(index))).join(''),
          },
        }),
      ];
      await put(...entries);
      for (const entry of entries) {
        const found = await get(entry);
        if (found === undefined || found === 'skipped') throw new Error(`${entry.key} was not found`);
        const { frames, ...value } = found.value;
        expect(frames && Buffer.from(frames).toString('hex')).toBe(
          entry.value.frames && Buffer.from(entry.value.frames).toString('hex'),
        );
        const { frames: _, ...expected } = entry.value;
        expect(JSON.stringify({ ...found, value })).toBe(JSON.stringify({ ...entry, value: expected }));
      }
    });

    test('returns entries at the places of their keys', async () => {
      const [one, two] = [entryOf('one'), entryOf('two')];
      await put(one, two);
      const found = await tested.store.getMany([two.key, sha256Hex('none'), one.key], 'acme');
      if (found === 'skipped') throw new Error('skipped');
      expect(found.map((entry) => entry?.key)).toEqual([two.key, undefined, one.key]);
    });

    test('deletes an entry', async () => {
      const [kept, deleted] = [entryOf('kept'), entryOf('deleted')];
      await put(kept, deleted);
      tested.store.delete(deleted.key, 'acme');
      await tested.settled();
      expect([await get(deleted), Object(await get(kept)).key]).toEqual([undefined, kept.key]);
    });

    test('clears by tenant, model, namespace, tag and age, and counts first', async () => {
      await tested.store.clear({}, false);
      const old = Date.now() - 30_000;
      const entries = [
        entryOf('a', { tenant: 't1', model: 'm1', namespace: 'n1', tags: ['x', 'y'] }),
        entryOf('b', { tenant: 't1', model: 'm2' }),
        entryOf('c', { tenant: 't2', model: 'm1', tags: ['y'] }),
        entryOf('d', { tenant: 't2', model: 'm1' }, old),
      ];
      await put(...entries);
      const count = (filter: Parameters<CacheStore<CachedResponse>['clear']>[0]) =>
        tested.store.clear(filter, true);
      expect(await count({})).toBe(4);
      expect(await count({ tenant: 't1' })).toBe(2);
      expect(await count({ tenant: 'nobody' })).toBe(0);
      expect(await count({ model: 'm1' })).toBe(3);
      expect(await count({ tenant: 't2', model: 'm1' })).toBe(2);
      expect(await count({ namespace: 'n1' })).toBe(1);
      expect(await count({ tag: 'y' })).toBe(2);
      expect(await count({ storedBefore: old + 1 })).toBe(1);
      expect(await tested.store.clear({ tag: 'y' }, false)).toBe(2);
      expect(await count({})).toBe(2);
      expect(await tested.store.clear({ tenant: 't2' }, false)).toBe(1);
      expect(await tested.store.clear({}, false)).toBe(1);
      expect(await count({})).toBe(0);
    });

    test('serves no entry to another tenant, namespace or request', async () => {
      const name = fc.constantFrom('', 'a', 'b', 'ab', 'a"', '["a"]', 'a,b');
      const request = fc.record({ tenant: name, namespace: name, text: name, stream: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(request, { maxLength: 12 }), async (requests) => {
          await tested.store.clear({}, false);
          const owners = new Map<string, string>();
          for (const { tenant, namespace, text, stream } of requests) {
            const call = testCall({ model: 'chat', stream, messages: [{ role: 'user', content: text }] });
            const key = exactKey(call, { tenant, namespace, route: '[]' });
            const id = JSON.stringify([tenant, namespace, text]);
            const found = await tested.store.get(key, tenant);
            if (found !== undefined && found !== 'skipped') {
              expect(usability(found, key, tenant, Date.now())).toBe('fresh');
              expect(found.value.text).toBe(id);
            } else expect(owners.has(id)).toBe(false);
            owners.set(id, key);
            await put({ ...entryOf('', { tenant, namespace, value: { text: id } }), key });
          }
          expect(new Set(owners.values()).size).toBe(owners.size);
          for (const [id, key] of owners) {
            for (const { tenant } of requests) {
              const found = await tested.store.get(key, tenant);
              if (found === undefined || found === 'skipped') continue;
              const use = usability(found, key, tenant, Date.now());
              expect(use === 'fresh').toBe(JSON.parse(id)[0] === tenant);
            }
          }
        }),
        { numRuns: runs(25) },
      );
    });
  });
}
