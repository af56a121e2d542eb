import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { storedKey } from '../../test/support/key-store-conformance.ts';
import type { KeyStore, StoredKey } from '../storage/key-store.ts';
import { createKey, findKey } from './key-admin.ts';
import { digestOf, hintOf, newSecret } from './key-secrets.ts';

function storeOf(keys: StoredKey[]): KeyStore {
  return {
    list: async () => keys,
    insert: async (key) => {
      keys.push(key);
    },
    revoke: async () => false,
    version: () => 0,
  };
}

describe('secrets', () => {
  test('tell what they are, and their hint does not tell what is secret', () => {
    const random = (bytes: number) => new Uint8Array(bytes).fill(0xab);
    expect(newSecret('admin', random)).toBe(`wr-admin-${'ab'.repeat(24)}`);
    const secret = newSecret('api_key', random);
    expect(secret).toBe(`wr-${'ab'.repeat(24)}`);
    expect(hintOf(secret)).toBe('wr-ababababa...');
    expect(newSecret('api_key')).not.toBe(newSecret('api_key'));
  });

  test('are digested with SHA-256', () => {
    expect(digestOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});

test('createKey stores everything but the secret', async () => {
  const keys: StoredKey[] = [];
  const { key, secret } = await createKey(storeOf(keys), { kind: 'admin', name: 'n' }, new FakeClock());
  expect(keys).toEqual([key]);
  expect(key).toMatchObject({
    kind: 'admin',
    name: 'n',
    tenant: 'default',
    digest: digestOf(secret),
    createdAt: FakeClock.WALL_OFFSET,
    revokedAt: null,
  });
  expect(key.id).toMatch(/^key_[0-9a-f]{20}$/);
  expect(JSON.stringify(keys)).not.toContain(secret);
});

describe('findKey', () => {
  const store = storeOf([
    storedKey('key_1', { name: 'one' }),
    storedKey('key_2', { name: 'twice' }),
    storedKey('key_3', { name: 'twice' }),
    storedKey('key_4', { name: 'one', revokedAt: 1 }),
    storedKey('key_5', { name: 'key_1' }),
  ]);
  test('goes by id, then by the name of one that works', async () => {
    expect((await findKey(store, 'key_1')).id).toBe('key_1');
    expect((await findKey(store, 'key_4')).id).toBe('key_4');
    expect((await findKey(store, 'one')).id).toBe('key_1');
  });

  test('does not guess', async () => {
    await expect(findKey(store, 'twice')).rejects.toThrow('use an id: key_2, key_3');
    await expect(findKey(store, 'nobody')).rejects.toThrow('no key with the id or name "nobody"');
  });
});
