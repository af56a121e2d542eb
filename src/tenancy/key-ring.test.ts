import { describe, expect, test } from 'bun:test';
import { storedKey } from '../../test/support/key-store-conformance.ts';
import type { KeyStore, StoredKey } from '../storage/key-store.ts';
import { KeyRing, presentedKey } from './key-ring.ts';
import { digestOf } from './key-secrets.ts';

/** Keys in memory, with a version that the test sets. */
class FakeStore implements KeyStore {
  keys: StoredKey[] = [];
  reads = 0;
  current = 1;
  /** What a read waits for before it answers with what was there when it began. */
  gate: Promise<void> | undefined;

  async list(): Promise<StoredKey[]> {
    this.reads += 1;
    const keys = [...this.keys];
    await this.gate;
    return keys;
  }
  async insert(key: StoredKey): Promise<void> {
    this.keys.push(key);
  }
  async revoke(): Promise<boolean> {
    return false;
  }
  version(): number {
    return this.current;
  }
}

const keyFor = (secret: string, more: Partial<StoredKey> = {}) =>
  storedKey(`key_${secret}`, { digest: digestOf(secret), ...more });
async function ringWith(keys: readonly StoredKey[], adminKey?: string) {
  const store = new FakeStore();
  store.keys.push(...keys);
  const ring = new KeyRing(store, adminKey);
  await ring.load();
  return { ring, store };
}

describe('authenticate', () => {
  test('knows whose key it is', async () => {
    const { ring } = await ringWith([keyFor('s1', { name: 'one' }), keyFor('s2', { kind: 'admin' })]);
    expect(ring.authenticate('s1')).toEqual({
      kind: 'api_key',
      tenant: 'default',
      keyId: 'key_s1',
      keyName: 'one',
    });
    expect(ring.authenticate('s2').kind).toBe('admin');
  });

  test('refuses no key, unknown keys, revoked keys and digests', async () => {
    const { ring } = await ringWith([keyFor('s1'), keyFor('old', { revokedAt: 1 })]);
    expect(() => ring.authenticate(undefined)).toThrow('No API key was sent');
    for (const secret of ['', 's', 's1 ', 'old', digestOf('s1'), 'x'.repeat(100_000)]) {
      expect(() => ring.authenticate(secret)).toThrow('not valid');
    }
  });

  test('refuses everything before the keys are read, the empty key too', () => {
    const ring = new KeyRing(new FakeStore());
    expect(() => ring.authenticate('')).toThrow('not valid');
    expect(ring.hasAdmin).toBe(false);
  });

  test('takes the admin key of the environment beside the stored ones', async () => {
    const { ring } = await ringWith([keyFor('s1'), keyFor('env', { kind: 'admin', revokedAt: 1 })], 'env');
    expect(ring.authenticate('env').keyId).toBe('key_environment');
    expect(ring.hasAdmin).toBe(true);
  });
});

test('hasAdmin counts only keys that work', async () => {
  expect((await ringWith([keyFor('a', { kind: 'admin', revokedAt: 1 }), keyFor('b')])).ring.hasAdmin).toBe(
    false,
  );
  expect((await ringWith([keyFor('a', { kind: 'admin' })])).ring.hasAdmin).toBe(true);
});

describe('reading again', () => {
  test('happens only when another process has written', async () => {
    const { ring, store } = await ringWith([]);
    await store.insert(keyFor('s1'));
    await ring.refresh();
    expect(store.reads).toBe(1);
    store.current = 2;
    await ring.refresh();
    await ring.refresh();
    expect([store.reads, ring.authenticate('s1').keyId]).toEqual([2, 'key_s1']);
  });

  test('is shared by calls that overlap, and sees a write that came during it at the next refresh', async () => {
    const { ring, store } = await ringWith([]);
    const { promise, resolve } = Promise.withResolvers<void>();
    store.gate = promise;
    store.current = 2;
    const reading = [ring.refresh(), ring.refresh(), ring.load()];
    await store.insert(keyFor('s1'));
    store.current = 3;
    resolve();
    await Promise.all(reading);
    expect(store.reads).toBe(2);
    expect(() => ring.authenticate('s1')).toThrow();
    await ring.refresh();
    expect(ring.authenticate('s1').keyId).toBe('key_s1');
  });

  test('that fails leaves the known keys in force and can be tried again', async () => {
    const { ring, store } = await ringWith([keyFor('s1')]);
    store.gate = Promise.reject(new Error('disk'));
    store.current = 2;
    expect(await ring.refresh().catch(String)).toBe('Error: disk');
    expect(ring.authenticate('s1').keyId).toBe('key_s1');
    store.gate = undefined;
    store.keys = [];
    await ring.refresh();
    expect(() => ring.authenticate('s1')).toThrow('not valid');
  });
});

describe('presentedKey', () => {
  const of = (headers: Record<string, string>) => presentedKey(new Headers(headers));
  test.each([
    [{ authorization: 'Bearer k' }, 'k'],
    [{ authorization: 'bearer   k  ' }, 'k'],
    [{ 'x-api-key': ' k ' }, 'k'],
    [{ 'api-key': 'k' }, 'k'],
    [{ authorization: 'Bearer a', 'x-api-key': 'b', 'api-key': 'c' }, 'a'],
    [{ authorization: 'Basic abc', 'x-api-key': 'b' }, 'b'],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Bearer a b' }, undefined],
    [{ 'x-api-key': '' }, undefined],
    [{}, undefined],
  ])('of %j', (headers, key) => {
    expect<string | undefined>(of(headers)).toBe(key);
  });
});
