import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { eventually, mockConfig, weir } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'weir-audit-'));
const SECRET = 'sk-must-not-be-recorded-0123456789';
let mock: MockUpstream;
let gateway: Gateway;
const config = (more: Record<string, unknown> = {}) =>
  mockConfig(mock.url, { prices: [{ model: 'up', input: '1', output: '2' }], ...more });
beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({ config: config(), dataDir });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const entries = async (action: string) => dataOf(await done(gateway, 'GET', `/audit?action=${action}`));

test('commands are recorded with the user of the system', async () => {
  expect((await weir(['tenants', 'create', 'acme'], { WEIR_DATA_DIR: dataDir })).code).toBe(0);
  const [entry] = await entries('tenant.create');
  expect(entry).toMatchObject({
    actor: 'operator',
    actor_name: `${userInfo().username} (weir command)`,
    subject: 'tenant:acme',
  });
});

test('trails are searched, and verified in the background', async () => {
  expect(dataOf(await done(gateway, 'GET', '/audit?search=ACME'))).toMatchObject([
    { action: 'tenant.create', subject: 'tenant:acme' },
  ]);
  expect(dataOf(await done(gateway, 'GET', '/audit?search=no%25such'))).toEqual([]);
  // The command was another process: the gateway follows within a second.
  await eventually(
    'the gateway knows the tenant',
    async () => (await admin(gateway, 'GET', '/tenants/acme')).status === 200,
  );
  for (const trail of ['/audit', '/tenants/acme/audit']) {
    expect(await done(gateway, 'GET', `${trail}/chain`)).toMatchObject({
      object: 'audit_chain',
      check: null,
    });
    await done(gateway, 'POST', `${trail}/chain/verify`);
    await eventually(`${trail} is verified`, async () => {
      return JSON.stringify(await done(gateway, 'GET', `${trail}/chain`)).includes('"status":"valid"');
    });
  }
  expect(await entries('audit.verify')).toHaveLength(1);
});

describe('a change of the configuration', () => {
  async function reload(next: Record<string, unknown>): Promise<void> {
    gateway.writeConfig(next);
    gateway.signal('SIGHUP');
    await gateway.waitForOutput(/configuration reload/);
  }

  test('is recorded by the names of what changed, without values', async () => {
    expect(await entries('config.change')).toEqual([]);
    const provider = {
      ...{ id: 'extra', kind: 'openai-compatible', base_url: mock.url, api_key: SECRET, discover: false },
    };
    const { providers } = config();
    await reload(config({ providers: [...(providers as unknown[]), provider], log: { requests: false } }));
    const [entry] = await entries('config.change');
    expect(entry).toMatchObject({
      actor: 'weir',
      subject: `config:${gateway.configPath}`,
      details: { added: ['providers[extra]'], changed: ['log.requests'] },
    });
    expect(JSON.stringify(entry)).not.toContain(SECRET);
    expect(await entries('prices.change')).toEqual([]);
  });

  test('of prices is recorded with the old and the new ones, also when no gateway ran', async () => {
    await gateway.stop();
    gateway = await startGateway({
      config: config({ prices: [{ model: 'up', input: '3', output: '4' }] }),
      dataDir,
    });
    const [entry] = await entries('prices.change');
    expect(entry?.details).toMatchObject({
      from: [{ model: 'up', input: '1' }],
      to: [{ model: 'up', input: '3' }],
    });
    await gateway.stop();
    gateway = await startGateway({
      config: config({ prices: [{ model: 'up', input: '3', output: '4' }] }),
      dataDir,
    });
    expect(await entries('prices.change')).toHaveLength(1);
  }, 30_000);
});

test('sign-ins and their failures are recorded, with address and method', async () => {
  const email = 'ada@weir.test';
  const { id } = await done(gateway, 'POST', '/users', {
    email,
    name: 'Ada',
    password: 'correct horse battery',
  });
  const signIn = (password: string) =>
    fetch(`${gateway.url}/v1/auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'test browser' },
      body: JSON.stringify({ email, password }),
    });
  expect((await signIn('wrong horse battery')).status).toBe(401);
  const signedIn = await signIn('correct horse battery');
  expect(signedIn.status).toBe(200);
  const { session } = await signedIn.json();
  await fetch(`${gateway.url}/v1/auth/sign-out`, {
    method: 'POST',
    headers: { authorization: `Bearer ${session}` },
  });
  expect(await entries('session.reject')).toMatchObject([
    { actor: 'anonymous', subject: `email:${email}`, address: '127.0.0.1', details: { method: 'password' } },
  ]);
  expect(await entries('session.create')).toMatchObject([
    {
      actor: `user:${String(id)}`,
      actor_name: 'Ada',
      subject: `user:${String(id)}`,
      details: { method: 'password', agent: 'test browser' },
    },
  ]);
  expect(await entries('session.end')).toHaveLength(1);
  const all = JSON.stringify(await done(gateway, 'GET', '/audit?limit=200'));
  expect(all).not.toContain('horse battery');
  expect(all).not.toContain(String(session));
});
