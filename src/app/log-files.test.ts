import { afterEach, beforeEach, expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { type ObjectStore, startObjectStore } from '../../test/support/object-store.ts';
import { readObject } from '../platform/object-storage/object-storage.ts';
import { logArchive } from './log-files.ts';

const NAME = 'weir-20261120T000000Z_20261121T000000Z-abc-1.jsonl.zst';
let store: ObjectStore;
beforeEach(() => {
  store = startObjectStore('logs', { secrets: { OWN: 'own-secret', SHARED: 'shared-secret' } });
});
afterEach(() => store.close());

async function archive(s3: object, env: Readonly<Record<string, string>>) {
  const { config } = loadText(JSON.stringify({ log: { files: { s3: { bucket: 'logs', ...s3 } } } }));
  const { files } = config.log;
  if (!files) throw new Error('no files');
  return logArchive(config, files, env);
}

test.each([
  [
    'the configuration',
    { access_key_id: 'OWN', secret_access_key: 'own-secret' },
    { AWS_SESSION_TOKEN: 'of-another-key' },
  ],
  ['S3 variables', {}, { S3_ACCESS_KEY_ID: 'OWN', S3_SECRET_ACCESS_KEY: 'own-secret' }],
  ['AWS variables', {}, {}],
])('the bucket of archived logs takes the key of %s', async (_name, s3, more) => {
  const env = {
    AWS_ACCESS_KEY_ID: 'SHARED',
    AWS_SECRET_ACCESS_KEY: 'shared-secret',
    AWS_REGION: 'eu-west-1',
    ...more,
  };
  const storage = await archive({ endpoint: store.url, ...s3 }, env);
  await storage.put(NAME, Buffer.from('lines'));
  expect([...store.objects.keys()]).toEqual([`weir-logs/${NAME}`]);
  expect(store.requests.map(({ authorization }) => authorization?.includes('Credential=SHARED/'))).toEqual([
    !('access_key_id' in s3) && !('S3_ACCESS_KEY_ID' in more),
  ]);
});

test('its prefix need not be a folder, and its endpoint may come from the environment', async () => {
  const env = { S3_ENDPOINT: store.url, AWS_ACCESS_KEY_ID: 'OWN', AWS_SECRET_ACCESS_KEY: 'own-secret' };
  const storage = await archive({ prefix: 'team a/eu-' }, env);
  await storage.put(NAME, Buffer.from('lines'));
  expect([...store.objects.keys()]).toEqual([`team a/eu-${NAME}`]);
  const keys: string[] = [];
  for await (const { key } of storage.list('weir-')) keys.push(key);
  expect(keys).toEqual([NAME]);
  expect(String(await readObject(storage, NAME, 100))).toBe('lines');
});
