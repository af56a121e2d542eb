import { afterEach, describe, expect, test } from 'bun:test';
import type { KeyStore, StoredKey } from '../../src/storage/key-store.ts';

/** A store that can be reached by as many connections as are opened. */
export interface KeyStoreBackend {
  /** Opens one more connection to the same keys. */
  connect(): Promise<KeyStore>;
  close(): Promise<void>;
}

export function storedKey(id: string, more: Partial<StoredKey> = {}): StoredKey {
  return {
    id,
    kind: 'api_key',
    tenant: 'default',
    name: `name of ${id}`,
    hint: 'wr-1234...',
    digest: id.padEnd(64, '0'),
    createdAt: 1_700_000_000_000,
    revokedAt: null,
    ...more,
  };
}

/**
 * What every key store promises.
 * @param shared whether several connections see the same keys
 */
export function keyStoreConformance(
  name: string,
  shared: boolean,
  open: () => Promise<KeyStoreBackend>,
): void {
  describe(`key store: ${name}`, () => {
    const backends: KeyStoreBackend[] = [];
    const start = async () => {
      const backend = await open();
      backends.push(backend);
      return backend;
    };
    afterEach(async () => {
      for (const backend of backends.splice(0)) await backend.close();
    });

    test('begins empty and gives back what was put in, the oldest first', async () => {
      const store = await (await start()).connect();
      expect(await store.list()).toEqual([]);
      const young = storedKey('a', { createdAt: 2, name: "O'Brien; --\n💧", kind: 'admin' });
      const old = storedKey('b', { createdAt: 1, revokedAt: 5 });
      await store.insert(young);
      await store.insert(old);
      expect(await store.list()).toEqual([old, young]);
    });

    test('refuses an id and a digest that exist, and keeps what is there', async () => {
      const store = await (await start()).connect();
      const key = storedKey('a');
      await store.insert(key);
      const failures = await Promise.allSettled([
        store.insert(storedKey('a', { digest: 'f'.repeat(64) })),
        store.insert(storedKey('b', { digest: key.digest })),
      ]);
      expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(await store.list()).toEqual([key]);
    });

    test('revokes once, and tells when there is no such key', async () => {
      const store = await (await start()).connect();
      await store.insert(storedKey('a'));
      await store.insert(storedKey('b'));
      expect([
        await store.revoke('a', 100),
        await store.revoke('a', 200),
        await store.revoke('c', 1),
      ]).toEqual([true, true, false]);
      expect((await store.list()).map(({ revokedAt }) => revokedAt)).toEqual([100, null]);
    });

    test('keeps its version while nobody else writes', async () => {
      const store = await (await start()).connect();
      const before = store.version();
      await store.list();
      expect(store.version()).toBe(before);
    });

    if (!shared) return;
    test('shows what another connection wrote, and announces it by its version', async () => {
      const backend = await start();
      const [reader, writer] = [await backend.connect(), await backend.connect()];
      const versions = [reader.version()];
      await writer.insert(storedKey('a'));
      versions.push(reader.version());
      expect((await reader.list()).map(({ id }) => id)).toEqual(['a']);
      await writer.revoke('a', 9);
      versions.push(reader.version());
      expect((await reader.list()).map(({ revokedAt }) => revokedAt)).toEqual([9]);
      expect(new Set(versions).size).toBe(3);
      expect(reader.version()).toBe(versions[2] ?? Number.NaN);
    });
  });
}
