import { afterAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { awsFixture, azureFixture, gcpFixture } from '../../test/support/secret-stores/cloud.ts';
import { type SecretStoreFixture, temporaryFolder } from '../../test/support/secret-stores/fixture.ts';
import {
  environmentFixture,
  fileFixture,
  kubernetesFixture,
} from '../../test/support/secret-stores/local.ts';
import { vaultFixture } from '../../test/support/secret-stores/vault.ts';
import { parseSecretReference, type SecretReference } from '../config/secret-reference.ts';
import { systemClock } from '../core/clock.ts';
import { type SecretRead, SecretReader } from './secret-reader.ts';
import { SecretStores } from './secret-stores.ts';

const folder = temporaryFolder();
const jwt = { file: join(folder.path, 'jwt'), token: 'the-jwt-of-the-pod' };
writeFileSync(jwt.file, `${jwt.token}\n`);

const vault = vaultFixture({ kv: 2, auth: 'token', namespace: 'teams/ml' });
const approle = vaultFixture({ kv: 2, auth: 'approle' });
const FIXTURES: readonly (readonly [string, SecretStoreFixture])[] = [
  ['vault:// KV 2, token, namespace', vault],
  ['vault:// KV 1, token', vaultFixture({ kv: 1, auth: 'token' })],
  ['vault:// KV 2, AppRole', approle],
  ['vault:// KV 2, Kubernetes', vaultFixture({ kv: 2, auth: 'kubernetes', jwt })],
  ['aws-sm://', awsFixture()],
  ['gcp-sm:// metadata server', gcpFixture('metadata')],
  ['gcp-sm:// service account', gcpFixture('service-account')],
  ['azure-kv:// application', azureFixture('application')],
  ['azure-kv:// workload identity', azureFixture('workload-identity')],
  ['azure-kv:// managed identity', azureFixture('managed-identity')],
  ['azure-kv:// App Service', azureFixture('app-service')],
  ['k8s://', kubernetesFixture()],
  ['file://', fileFixture()],
  ['env://', environmentFixture()],
];
afterAll(() => {
  for (const stores of opened.values()) stores.close();
  for (const [, fixture] of FIXTURES) fixture.close();
  folder.remove();
});

/** The stores of each fixture, made once. */
const opened = new Map<SecretStoreFixture, SecretStores>();

function storesOf(fixture: SecretStoreFixture): SecretStores {
  let stores = opened.get(fixture);
  if (!stores) {
    const { settings, env } = fixture;
    const { config } = loadText(JSON.stringify({ secrets: { timeout: '2s', ...settings } }));
    stores = new SecretStores(config.secrets, { env, clock: systemClock });
    opened.set(fixture, stores);
  }
  return stores;
}

function parsed(text: string): SecretReference {
  const reference = parseSecretReference(text);
  if ('fault' in reference) throw new Error(reference.fault);
  return reference;
}

/** @param retryMs how long failed reads are tried again */
async function read(
  fixture: SecretStoreFixture,
  texts: readonly string[],
  retryMs = 0,
): Promise<SecretRead[]> {
  const stores = storesOf(fixture);
  const reader = new SecretReader({
    storeOf: (reference) => stores.storeOf(reference),
    clock: systemClock,
    random: () => 0,
    attemptMs: 4_000,
  });
  return reader.read(texts.map(parsed), systemClock.now() + retryMs);
}

async function errorOf(fixture: SecretStoreFixture, text: string): Promise<string> {
  const [first] = await read(fixture, [text]);
  if (!first || !('error' in first)) throw new Error('the secret was read');
  return first.error.message;
}

function valuesOf(reads: readonly SecretRead[]): Record<string, string> {
  return Object.fromEntries(
    reads.map((one) => [one.reference.text, 'value' in one ? one.value : one.error.message]),
  );
}

describe.each(FIXTURES)('%s', (_name, fixture) => {
  const isRemote = fixture.scheme !== 'file' && fixture.scheme !== 'env';

  test('reads fields of a secret, and the secret once', async () => {
    fixture.put('model-keys', { openai: 'sk-value-one', other: 'sk-value-two' });
    const before = fixture.reads;
    const one = fixture.reference('model-keys', 'openai');
    const two = fixture.reference('model-keys', 'other');
    expect(valuesOf(await read(fixture, [one, two, one]))).toEqual({
      [one]: 'sk-value-one',
      [two]: 'sk-value-two',
    });
    if (isRemote) expect(fixture.reads - before).toBe(1);
  });

  test('a changed secret has its new value', async () => {
    const text = fixture.reference('rotated', 'key');
    fixture.put('rotated', { key: 'before' });
    expect(valuesOf(await read(fixture, [text]))).toEqual({ [text]: 'before' });
    fixture.put('rotated', { key: 'after' });
    expect(valuesOf(await read(fixture, [text]))).toEqual({ [text]: 'after' });
  });

  test('a missing secret and a missing key are errors that name no value', async () => {
    fixture.put('present', { key: 'a-value-that-stays-secret' });
    expect(await errorOf(fixture, fixture.reference('absent', 'key'))).toMatch(
      /not found|no such|can't find|not set|does not exist/i,
    );
    const message = await errorOf(fixture, fixture.reference('present', 'wrong'));
    expect(message).toBe('the secret has no key "wrong"; it has the keys "key"');
  });

  test('an empty and an oversized secret are errors', async () => {
    fixture.put('odd', { empty: '', large: 'x'.repeat(70_000) });
    expect(await errorOf(fixture, fixture.reference('odd', 'empty'))).toBe('the secret is empty');
    expect(await errorOf(fixture, fixture.reference('odd', 'large'))).toContain('more than 65536 characters');
  });

  if (!isRemote) return;

  test('a busy store is asked again, and a broken one until the deadline', async () => {
    const text = fixture.reference('busy', 'key');
    fixture.put('busy', { key: 'value' });
    const before = fixture.reads;
    fixture.mode = 'busy-once';
    expect(valuesOf(await read(fixture, [text], 10_000))).toEqual({ [text]: 'value' });
    expect(fixture.reads - before).toBe(2);

    fixture.mode = 'broken';
    expect(await errorOf(fixture, text)).toMatch(/HTTP 502: an HTML page/);
    fixture.mode = 'works';
  });

  test('a refusal is reported in the words of the store, without credentials', async () => {
    fixture.put('refused', { key: 'value' });
    fixture.mode = 'denied';
    const before = fixture.reads;
    const message = await errorOf(fixture, fixture.reference('refused', 'key'));
    fixture.mode = 'works';
    expect(message).toMatch(/127\.0\.0\.1:\d+ responded with HTTP 4\d\d: .*(denied|authorized|forbidden)/i);
    for (const credential of fixture.credentials) expect(message).not.toContain(credential);
    // A sign-in of its own may have been revoked: it is repeated once.
    expect(fixture.reads - before).toBeLessThanOrEqual(2);
  });
});

test('vault: a version of a secret, and a secret with one key without "#"', async () => {
  vault.put('versions', { key: 'first' });
  vault.put('versions', { key: 'second' });
  const old = 'vault://team/secret/versions?version=1';
  const latest = 'vault://team/secret/versions';
  expect(valuesOf(await read(vault, [old, latest]))).toEqual({ [old]: 'first', [latest]: 'second' });
});

test('vault: a revoked token is replaced by one sign-in more', async () => {
  approle.put('revoked', { key: 'value' });
  const stores = storesOf(approle);
  const reference = parsed(approle.reference('revoked', 'key'));
  const store = await stores.storeOf(reference);
  const { signal } = new AbortController();
  await store.read(reference, signal);
  const { logins } = approle;
  approle.revoke();
  expect(await store.read(reference, signal)).toEqual({ kind: 'fields', fields: { key: 'value' } });
  expect(approle.logins).toBe(logins + 1);
});

test('an unreachable store is an error that may pass', async () => {
  const gone = vaultFixture({ kv: 2, auth: 'token' });
  gone.close();
  const [first] = await read(gone, ['vault://team/secret/x#y']);
  expect(first && 'error' in first && first.error.retryable).toBe(true);
});
