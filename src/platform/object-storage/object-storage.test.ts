import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, startObjectStore } from '../../../test/support/object-store.ts';
import {
  assertObjectKey,
  ObjectExistsError,
  ObjectMissingError,
  type ObjectStorage,
  ObjectStorageError,
  readObject,
} from './object-storage.ts';
import { openObjectStorage } from './open-object-storage.ts';
import { S3Storage } from './s3-storage.ts';

const MIB = 1024 * 1024;
const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret/with+characters' };

let folder: string;
let store: ObjectStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-objects-'));
  store = startObjectStore('things', {
    pageSize: 2,
    secrets: { [CREDENTIALS.accessKeyId]: CREDENTIALS.secretAccessKey },
  });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await store.close();
});

const s3 = (more: Partial<ConstructorParameters<typeof S3Storage>[0]> = {}) =>
  new S3Storage({
    ...{ bucket: 'things', prefix: 'weir/', region: 'eu-central-1', endpoint: store.url },
    credentials: () => Promise.resolve(CREDENTIALS),
    wait: () => Promise.resolve(),
    ...more,
  });

const BACKENDS: [string, () => ObjectStorage][] = [
  ['a folder', () => openObjectStorage(join(folder, 'made', 'later'), {})],
  ['an S3-compatible store', () => s3()],
];

async function* pieces(...all: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const piece of all) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

async function keysOf(storage: ObjectStorage, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys;
}

const textOf = async (storage: ObjectStorage, key: string) =>
  String(await readObject(storage, key, 100 * MIB));

describe.each(BACKENDS)('%s', (_, open) => {
  test('stores, replaces, reads, describes and deletes objects', async () => {
    const storage = open();
    expect(await storage.head('a/one.json')).toBeUndefined();
    await expect(textOf(storage, 'a/one.json')).rejects.toBeInstanceOf(ObjectMissingError);
    expect(await storage.put('a/one.json', Buffer.from('first'))).toBe(5);
    expect(await storage.put('a/one.json', pieces('second', ' ', 'text'))).toBe(11);
    expect(await textOf(storage, 'a/one.json')).toBe('second text');
    expect(await storage.head('a/one.json')).toMatchObject({ key: 'a/one.json', bytes: 11 });
    expect(await storage.put('empty', pieces())).toBe(0);
    expect(await textOf(storage, 'empty')).toBe('');
    await storage.delete('a/one.json');
    await storage.delete('a/one.json');
    expect(await keysOf(storage, '')).toEqual(['empty']);
    await expect(readObject(storage, 'empty', -1)).resolves.toHaveLength(0);
    await storage.put('long', Buffer.alloc(11));
    await expect(readObject(storage, 'long', 10)).rejects.toBeInstanceOf(ObjectStorageError);
  });

  test('lists by prefix and in order, over several pages', async () => {
    const storage = open();
    expect(await keysOf(storage, '')).toEqual([]);
    const keys = ['a/b/c=1', 'a/b/d+2', 'a/b.x', 'a/bc', 'ab', 'b@1_2'];
    for (const key of keys) await storage.put(key, Buffer.from(key));
    expect(await keysOf(storage, '')).toEqual([...keys].sort());
    expect(await keysOf(storage, 'a/b')).toEqual(['a/b.x', 'a/b/c=1', 'a/b/d+2', 'a/bc']);
    expect(await keysOf(storage, 'a/b/')).toEqual(['a/b/c=1', 'a/b/d+2']);
    expect(await keysOf(storage, 'none/')).toEqual([]);
    for (const key of keys) expect(await textOf(storage, key)).toBe(key);
  });

  test('creates an object once, when several do', async () => {
    const storage = open();
    const results = await Promise.allSettled(
      ['1', '2', '3'].map((text) => storage.put('lock', Buffer.from(text), { ifAbsent: true })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ObjectExistsError);
    }
    expect(await keysOf(storage, '')).toEqual(['lock']);
  });

  test('keeps the earlier object when the new content breaks off', async () => {
    const storage = open();
    await storage.put('kept', Buffer.from('earlier'));
    const failing = async function* () {
      for (let count = 0; count < 12; count += 1) yield new Uint8Array(MIB);
      throw new Error('the source failed');
    };
    await expect(storage.put('kept', failing())).rejects.toThrow('the source failed');
    expect(await textOf(storage, 'kept')).toBe('earlier');
    expect(await keysOf(storage, '')).toEqual(['kept']);
    expect(store.openUploads()).toBe(0);
  });

  test('rejects keys that leave the storage or are no plain names', async () => {
    const storage = open();
    for (const key of [
      '',
      '../x',
      'a/../b',
      '/etc/x',
      'a//b',
      'a/',
      '.hidden',
      'a b',
      'ä',
      'a\0',
      `${'x'.repeat(201)}`,
    ]) {
      expect(() => assertObjectKey(key)).toThrow('not a key');
      await expect(storage.put(key, Buffer.from(''))).rejects.toThrow('not a key');
      await expect(textOf(storage, key)).rejects.toThrow('not a key');
      await expect(storage.delete(key)).rejects.toThrow('not a key');
    }
  });
});

describe('a folder', () => {
  test('is readable by its owner only, and lists no file that is being written', async () => {
    const storage = openObjectStorage(folder, {});
    await storage.put('a/b', Buffer.from('x'));
    writeFileSync(join(folder, 'a', '.partial-1'), 'x');
    expect(await keysOf(storage, '')).toEqual(['a/b']);
    expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, 'a')).sort()).toEqual(['.partial-1', 'b']);
  });

  test('says why it cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '');
    const storage = openObjectStorage(join(folder, 'file'), {});
    await expect(storage.put('a/b', Buffer.from('x'))).rejects.toThrow(
      /Cannot write "a\/b" in .*a part of its path is a file/,
    );
    expect(existsSync(join(folder, 'file', 'a'))).toBe(false);
  });
});

describe('an S3-compatible store', () => {
  test('gets large objects in parts of one size, with one of them in memory', async () => {
    const chunk = new Uint8Array(700_001).fill(65);
    const storage = s3({ partBytes: 5 * MIB });
    const bytes = await storage.put('large', pieces(...Array.from({ length: 23 }, () => chunk)));
    expect(bytes).toBe(23 * 700_001);
    expect(store.objects.get('weir/large')?.length).toBe(bytes);
    const parts = store.requests.filter(({ path }) => path.includes('partNumber')).map((one) => one.bytes);
    expect(parts).toEqual([5 * MIB, 5 * MIB, 5 * MIB, bytes - 15 * MIB]);
    expect(store.openUploads()).toBe(0);
  });

  test('is asked again after passing failures, and a lost response does not count as another client', async () => {
    const storage = s3();
    store.fail('PUT', 'weir/a', 503, 2, 'SlowDown');
    await storage.put('a', Buffer.from('x'));
    store.fail('PUT', 'weir/b', 400, 1, 'RequestTimeout');
    store.loseResponse('PUT', 'weir/b', 1);
    await storage.put('b', Buffer.from('y'), { ifAbsent: true });
    store.fail('GET', 'list-type', 500, 3);
    expect(await keysOf(storage, '')).toEqual(['a', 'b']);
    store.fail('GET', 'weir/a', 500, 5);
    await expect(textOf(storage, 'a')).rejects.toThrow('responded with 500 Failure: planned & told.');
  });

  test('continues a download that breaks off, and detects another object in its place', async () => {
    const storage = s3();
    const content = Buffer.from(Array.from({ length: 50_000 }, (_, at) => at % 251));
    await storage.put('a', content);
    store.breakDownloads(10_000, 3);
    expect(await readObject(storage, 'a', MIB)).toEqual(content);
    store.breakDownloads(10_000, 1);
    const reading = storage.get('a')[Symbol.asyncIterator]();
    await reading.next();
    store.objects.set('weir/a', Buffer.alloc(50_000));
    const rest = async () => {
      for (let next = await reading.next(); next.done !== true; next = await reading.next());
    };
    await expect(rest()).rejects.toThrow('PreconditionFailed');
  });

  test('rejects a wrong secret, an unknown bucket and a closed port with advice', async () => {
    const wrong = s3({ credentials: () => Promise.resolve({ ...CREDENTIALS, secretAccessKey: 'other' }) });
    await expect(wrong.put('a', Buffer.from(''))).rejects.toThrow(
      /403 SignatureDoesNotMatch.*Check the credentials/,
    );
    await expect(keysOf(s3({ bucket: 'other' }), '')).rejects.toThrow('404 NoSuchBucket');
    const closed = s3({ endpoint: 'http://127.0.0.1:1' });
    await expect(closed.head('a')).rejects.toThrow(/127\.0\.0\.1:1 is unreachable/);
  });

  test('is silent for too long', async () => {
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
    const storage = s3({ endpoint: `http://127.0.0.1:${silent.port}`, timeoutMs: 20 });
    await expect(storage.head('a')).rejects.toThrow('no response within 0.02 s');
    silent.stop(true);
  });

  test('is opened by its URL', async () => {
    const env = {
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_ENDPOINT_URL_S3: store.url,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    };
    const storage = openObjectStorage('s3://things/weir/deep/', env);
    await storage.put('a', Buffer.from('x'));
    expect([...store.objects.keys()]).toEqual(['weir/deep/a']);
    expect(storage.location).toBe('s3://things/weir/deep/');
    expect(() => openObjectStorage('gs://things/x', {})).toThrow('"gs://things/x" is no location');
    expect(() => openObjectStorage('s3://things/../x', {})).toThrow('The prefix "../x"');
    expect(() => openObjectStorage('s3://things', { AWS_ENDPOINT_URL: 'minio:9000' })).toThrow(
      '"minio:9000" is no URL',
    );
  });
});
