import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, expectError, mockConfig, post, weir } from './harness.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'weir-keys-'));
let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  gateway = await startGateway({ config: mockConfig(mock.url), dataDir });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Created {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly key: string;
}

const command = (...args: string[]) => weir(['keys', ...args], { WEIR_DATA_DIR: dataDir });

async function create(...args: string[]): Promise<Created> {
  const { code, stdout, stderr } = await command('create', '--json', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const created: Created = JSON.parse(stdout);
  return created;
}

async function statusWith(headers: Record<string, string>, at = gateway): Promise<number> {
  const response = await post(at, chat(), { headers: { authorization: '', ...headers } });
  await response.arrayBuffer();
  return response.status;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** How soon a change must be in force; the rest is for a machine that is busy with other tests. */
const WITHIN_MS = 1_000 + 2_000;

describe('weir keys', () => {
  test('a new key works within a second, in any of its headers, and a revoked one stops as soon', async () => {
    const created = await create('--name', 'ci');
    expect(created).toMatchObject({ name: 'ci', kind: 'api_key' });
    expect(created.id).toMatch(/^key_[0-9a-f]{20}$/);
    expect(created.key).toMatch(/^wr-[0-9a-f]{48}$/);
    await eventually(
      'the new key works',
      async () => (await statusWith(bearer(created.key))) === 200,
      WITHIN_MS,
    );
    expect(await statusWith({ 'x-api-key': created.key })).toBe(200);
    expect(await statusWith({ 'api-key': created.key })).toBe(200);
    expect(await statusWith({ authorization: `bearer  ${created.key} ` })).toBe(200);
    expect(await statusWith(bearer(created.key.slice(0, -1)))).toBe(401);
    expect(await statusWith(bearer(created.key.toUpperCase()))).toBe(401);

    const revoked = await command('revoke', 'ci');
    expect(revoked).toMatchObject({ code: 0, stderr: '' });
    expect(revoked.stdout).toContain(created.id);
    await eventually(
      'the revoked key is refused',
      async () => (await statusWith(bearer(created.key))) === 401,
      WITHIN_MS,
    );

    // The response does not reveal whether a key ever existed.
    const known = await expectError(
      await post(gateway, chat(), { headers: bearer(created.key) }),
      401,
      'invalid_api_key',
    );
    const unknown = await expectError(
      await post(gateway, chat(), { headers: bearer('wr-never') }),
      401,
      'invalid_api_key',
    );
    expect(known).toEqual(unknown);
  });

  test('an admin key reads metrics, another one may not', async () => {
    const admin = await create('--name', 'ops', '--admin');
    const plain = await create('--name', 'app');
    expect(admin.kind).toBe('admin');
    expect(admin.key).toMatch(/^wr-admin-[0-9a-f]{48}$/);
    await eventually('the keys work', async () => (await statusWith(bearer(plain.key))) === 200, WITHIN_MS);
    const metrics = (key: string) => fetch(`${gateway.url}/metrics`, { headers: bearer(key) });
    expect((await metrics(admin.key)).status).toBe(200);
    await expectError(await metrics(plain.key), 403, 'permission_denied');
    expect(await statusWith(bearer(admin.key))).toBe(200);
  });

  test('secrets are shown once and kept nowhere', async () => {
    const created = await create('--name', 'secret');
    const words = await command('create', '--name', 'plain words');
    expect(words.code).toBe(0);
    expect(words.stdout).toMatch(/^wr-[0-9a-f]{48}\n$/);
    expect(words.stderr).toContain('only this once');
    const secrets = [created.key, words.stdout.trim()];

    const listed = await command('list');
    const json = await command('list', '--json');
    expect(listed.stdout).toContain(created.id);
    expect(listed.stdout).toContain('plain words');
    const rows: { id: string; name: string; revokedAt: number | null }[] = JSON.parse(json.stdout);
    expect(rows.find(({ id }) => id === created.id)).toMatchObject({ name: 'secret', revokedAt: null });
    expect(rows.find(({ name }) => name === 'ci')?.revokedAt).toBeGreaterThan(0);
    expect(json.stdout).not.toContain('digest');

    await eventually('the key works', async () => (await statusWith(bearer(created.key))) === 200, WITHIN_MS);
    const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    expect(files.length).toBeGreaterThan(0);
    for (const secret of secrets) {
      // The random part, or half of it, would be as good as the whole.
      const half = secret.slice(-24);
      for (const bytes of files) expect(bytes.includes(half)).toBe(false);
      for (const text of [listed.stdout, json.stdout, gateway.stdout(), gateway.stderr()]) {
        expect(text).not.toContain(half);
      }
    }
  });

  test('revoking twice changes nothing, and an unknown or doubtful name is an error', async () => {
    const first = await create('--name', 'twin');
    const second = await create('--name', 'twin');
    const doubtful = await command('revoke', 'twin');
    expect(doubtful.code).toBe(1);
    expect(doubtful.stderr).toContain(first.id);
    expect(doubtful.stderr).toContain(second.id);
    const revoked = await command('revoke', first.id, '--json');
    expect(JSON.parse(revoked.stdout)).toEqual({ id: first.id, name: 'twin', revoked: true });
    expect((await command('revoke', first.id)).code).toBe(0);
    const unknown = await command('revoke', 'nobody');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain('"nobody"');
    expect(unknown.stderr).not.toMatch(/\n\s+at /);
    const nameless = await command('create', '--name', '\n');
    expect(nameless.code).toBe(1);
    expect(nameless.stdout).toBe('');
  });
});

describe('the admin key', () => {
  const started: Gateway[] = [];
  const folders: string[] = [];
  afterEach(async () => {
    for (const one of started.splice(0)) await one.stop();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  async function start(folder: string, adminKey: string | undefined): Promise<Gateway> {
    const one = await startGateway({
      config: mockConfig(mock.url),
      dataDir: folder,
      env: { WEIR_ADMIN_KEY: adminKey },
    });
    started.push(one);
    return one;
  }

  test('is made at the first start, printed once, and works at the next start too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-first-'));
    folders.push(folder);
    const first = await start(folder, undefined);
    const [, key = ''] = await first.waitForOutput(/Authorization: Bearer (wr-admin-[0-9a-f]{48})/);
    expect(first.stdout()).toContain('Admin key  in the command below. It is shown only this once');
    expect(first.stdout().split(key)).toHaveLength(2);
    expect(await statusWith(bearer(key), first)).toBe(200);
    await first.stop();

    const second = await start(folder, undefined);
    await second.waitForOutput(/Admin key {2}shown at the first start/);
    expect(second.stdout()).not.toContain(key);
    expect(second.stdout()).not.toMatch(/wr-admin-[0-9a-f]{48}/);
    expect(await statusWith(bearer(key), second)).toBe(200);
  });

  test('from WEIR_ADMIN_KEY works, is not printed, and makes no other one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-first-'));
    folders.push(folder);
    const key = 'a key of my own choice'.replaceAll(' ', '-');
    const one = await start(folder, key);
    await one.waitForOutput(/Admin key {2}the value of WEIR_ADMIN_KEY/);
    expect(one.stdout()).not.toContain(key);
    expect(await statusWith(bearer(key), one)).toBe(200);
    const list = await weir(['keys', 'list', '--json'], { WEIR_DATA_DIR: folder });
    expect(JSON.parse(list.stdout)).toEqual([]);
  });

  test('from WEIR_ADMIN_KEY is rejected at the start where it can be guessed', async () => {
    const { code, stderr } = await weir(['serve'], { WEIR_ADMIN_KEY: 'a' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('WEIR_ADMIN_KEY')]);
    expect(stderr).toContain('at least 16');
  });
});
