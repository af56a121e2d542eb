import { afterEach, describe, expect, test } from 'bun:test';
import type { ResponseStore, StoredResponse } from '../../src/storage/response-store.ts';

export interface ResponseStoreBackend {
  readonly store: ResponseStore;
  close(): Promise<void>;
}

export function storedResponse(id: string, more: Partial<StoredResponse> = {}): StoredResponse {
  return {
    id,
    createdAt: 1_000,
    expiresAt: 2_000,
    input: [{ role: 'user', content: `asked of ${id}` }],
    response: { id, object: 'response', output: [] },
    native: false,
    ...more,
  };
}

const A = { tenant: 'a' };
const B = { tenant: 'b' };
const NOW = 1_500;

/** The contract of `ResponseStore`, as a test suite. */
export function responseStoreConformance(name: string, open: () => Promise<ResponseStoreBackend>): void {
  describe(`response store: ${name}`, () => {
    const backends: ResponseStoreBackend[] = [];
    const start = async () => {
      const backend = await open();
      backends.push(backend);
      return backend.store;
    };
    afterEach(async () => {
      for (const backend of backends.splice(0)) await backend.close();
    });

    test('returns any stored response unchanged', async () => {
      const store = await start();
      const stored = storedResponse("r'; --", {
        native: true,
        input: [{ text: 'Größe 💧\n\u2028"', deep: { list: [1, null, true] } }],
        response: { id: "r'; --", usage: { total_tokens: 3 }, nothing: null },
      });
      await store.put(A, [stored]);
      expect(await store.get(A, stored.id, NOW)).toEqual(stored);
    });

    test('stores many at once, and replaces one with the same id', async () => {
      const store = await start();
      const many = Array.from({ length: 300 }, (_, index) => storedResponse(`r${index}`));
      await store.put(A, many);
      await store.put(A, [storedResponse('r7', { response: { id: 'r7', again: true } })]);
      await store.put(A, []);
      expect((await store.get(A, 'r7', NOW))?.response).toEqual({ id: 'r7', again: true });
      expect(await store.get(A, 'r299', NOW)).toEqual(storedResponse('r299'));
    });

    test('hides responses of other tenants, even with the same id', async () => {
      const store = await start();
      const own = storedResponse('r', { response: { of: 'b' } });
      await store.put(A, [storedResponse('r', { response: { of: 'a' } })]);
      await store.put(B, [own, storedResponse('only-b')]);
      expect(await store.get(A, 'only-b', NOW)).toBeUndefined();
      expect(await store.delete(A, 'only-b')).toBe(false);
      expect(await store.delete(A, 'r')).toBe(true);
      expect(await store.get(B, 'r', NOW)).toEqual(own);
    });

    test('finds responses by their output items, of the tenant only', async () => {
      const store = await start();
      const of = (id: string, ...items: readonly string[]) =>
        storedResponse(id, { response: { id, output: [...items.map((item) => ({ id: item })), {}, null] } });
      await store.put(A, [of('r1', 'a', 'b'), of('r2', "c'; --"), of('old', 'd'), storedResponse('r4')]);
      await store.put(B, [of('r1', 'e'), of('r5', 'a')]);
      const found = async (scope: typeof A, ids: readonly string[], now = NOW) =>
        (await store.outputsOf(scope, ids, now)).map(({ id }) => id).sort();
      expect(await found(A, ['a', 'b', "c'; --", 'e', 'none'])).toEqual(['r1', 'r2']);
      expect(await found(B, ['a', 'b', 'e'])).toEqual(['r1', 'r5']);
      expect(await found(A, [])).toEqual([]);
      expect(await found(A, ['a'], 2_000)).toEqual([]);
      const many = Array.from({ length: 1_000 }, (_, index) => (index === 999 ? 'd' : `x${index}`));
      expect(await store.outputsOf(A, many, NOW)).toEqual([
        { id: 'old', response: { id: 'old', output: [{ id: 'd' }, {}, null] }, native: false },
      ]);
      // A response with the same id replaces the first one, and so does one with the same item.
      await store.put(A, [of('r2', 'f'), of('r6', 'a')]);
      expect(await found(A, ['a', 'f'])).toContain('r6');
      expect(await store.delete(A, 'r2')).toBe(true);
      expect(await found(A, ["c'; --", 'f'])).toEqual([]);
    });

    test('deletes a response once', async () => {
      const store = await start();
      await store.put(A, [storedResponse('r')]);
      expect([await store.delete(A, 'r'), await store.delete(A, 'r')]).toEqual([true, false]);
      expect(await store.get(A, 'r', NOW)).toBeUndefined();
    });

    test('hides expired responses', async () => {
      const store = await start();
      await store.put(A, [storedResponse('old'), storedResponse('young', { expiresAt: 9_000 })]);
      expect(await store.get(A, 'old', 1_999)).toBeDefined();
      expect(await store.get(A, 'old', 2_000)).toBeUndefined();
      expect(await store.get(A, 'young', 2_000)).toBeDefined();
    });
  });
}
