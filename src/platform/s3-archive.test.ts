import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type ObjectStore, startObjectStore } from '../../test/support/object-store.ts';
import { S3Archive } from './s3-archive.ts';

const MIB = 1024 * 1024;
let store: ObjectStore;
beforeEach(() => {
  store = startObjectStore('logs', { pageSize: 2 });
});
afterEach(() => store.close());

const create = () =>
  new S3Archive({
    ...{ bucket: 'logs', prefix: 'weir/', endpoint: store.url, region: 'eu-central-1' },
    ...{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: undefined },
  });

async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

const textOf = async (archive: S3Archive, name: string) => {
  const parts: Uint8Array[] = [];
  for await (const part of archive.read(name)) parts.push(part);
  return Buffer.concat(parts).toString();
};

describe('an archive in S3', () => {
  test('keeps, lists, reads and removes files, with signed requests', async () => {
    const archive = create();
    for (const name of ['a.zst', 'b.zst', 'c.zst', 'd.zst', 'e.zst']) {
      await archive.put(name, pieces(Buffer.from(`content of `), Buffer.from(name)));
    }
    store.objects.set('other/x', new Uint8Array());
    expect(await archive.list()).toEqual(['a.zst', 'b.zst', 'c.zst', 'd.zst', 'e.zst']);
    expect(await textOf(archive, 'b.zst')).toBe('content of b.zst');
    await archive.remove('b.zst');
    await archive.remove('b.zst');
    expect([...store.objects.keys()]).toEqual([
      'weir/a.zst',
      'weir/c.zst',
      'weir/d.zst',
      'weir/e.zst',
      'other/x',
    ]);
    for (const { authorization } of store.requests) {
      expect(authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/s3\/aws4_request, ?SignedHeaders=.*Signature=[0-9a-f]{64}$/,
      );
    }
  });

  test('uploads large files in parts', async () => {
    const chunk = new Uint8Array(MIB).fill(65);
    await create().put('large.zst', pieces(...Array.from({ length: 23 }, () => chunk)));
    expect(store.objects.get('weir/large.zst')?.length).toBe(23 * MIB);
    expect(Math.max(...store.requests.map(({ bytes }) => bytes))).toBeLessThanOrEqual(8 * MIB);
    expect(store.openUploads()).toBe(0);
  });

  test('stores nothing of a file whose reading fails', async () => {
    const failing = async function* () {
      for (let count = 0; count < 12; count += 1) yield new Uint8Array(MIB);
      throw new Error('the disk failed');
    };
    await expect(create().put('bad.zst', failing())).rejects.toThrow('the disk failed');
    expect(store.objects.size).toBe(0);
  });

  test('rejects where the store does, and where a file does not exist', async () => {
    store.fail('PUT', 'weir/', 403, 10);
    await expect(create().put('a.zst', pieces(Buffer.from('x')))).rejects.toThrow();
    await expect(textOf(create(), 'none')).rejects.toThrow();
    store.fail('GET', 'list-type', 500, 10);
    await expect(create().list()).rejects.toThrow();
  });
});
