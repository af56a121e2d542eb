import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { chat, eventually, expectError, post, weir } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';

/** Commands beside a running gateway, which follows within a second. */

const folder = mkdtempSync(join(tmpdir(), 'weir-commands-'));
const dataDir = join(folder, 'data');
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ dataDir, env: { PATH: process.env.PATH } });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => weir(args, { WEIR_DATA_DIR: dataDir });

/** Runs a command of which nothing but success is expected. */
async function output(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect([args.join(' '), stderr, code]).toEqual([args.join(' '), stderr, 0]);
  return stdout;
}
const json = async (...args: string[]): Promise<Json> =>
  asObject(JSON.parse(await output(...args, '--json')));
const list = async (...args: string[]): Promise<Json[]> => {
  const rows: unknown = JSON.parse(await output(...args, '--json'));
  if (!Array.isArray(rows)) throw new Error('no list');
  return rows.map(asObject);
};
const failure = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(1);
  expect(stderr).not.toMatch(/\n\s+at |\.ts:\d/);
  return stderr;
};
const ask = (key: unknown, model = 'simulator') =>
  post(gateway, chat({ model }), { headers: { authorization: `Bearer ${String(key)}` } });
const statusIs = (key: unknown, status: number) =>
  eventually(`it is ${status}`, async () => (await ask(key)).status === status);

describe('weir keys', () => {
  test('sets expiry, models, limits and budgets', async () => {
    const created = await json(
      ...['keys', 'create', '--name', 'app', '--expires', '2999-01-31', '--models', 'simulator, sim*'],
      ...['--limit', '1 request per day', '--budget', '5'],
    );
    await statusIs(created.key, 200);
    await expectError(await ask(created.key), 429, 'quota_exceeded');
    const [shown] = (await list('keys', 'list')).filter(({ name }) => name === 'app');
    expect(shown).toMatchObject({
      state: 'active',
      expires_at: '2999-01-31T00:00:00.000Z',
      scopes: { models: ['simulator', 'sim*'] },
      limits: [
        { of: 'requests', per: 'day', max: 1 },
        { of: 'cost', per: 'month', max: '5' },
      ],
    });
    expect(await output('keys', 'list')).toContain('1 requests per day, $5 per month');

    await output('keys', 'update', 'app', '--limit', 'none', '--models', 'other', '--name', 'renamed');
    await statusIs(created.key, 403);
    await output('keys', 'update', 'renamed', '--models', '', '--expires', 'never');
    await statusIs(created.key, 200);
    expect(await failure('keys', 'update', 'renamed')).toContain('Nothing to change');
    expect(await failure('keys', 'create', '--limit', 'lots')).toContain('"lots" is not a limit');
    expect(await failure('keys', 'create', '--expires', 'yesterday')).toContain('not a time in the future');
  }, 30_000);

  test('pauses, resumes and rotates', async () => {
    const created = await json('keys', 'create', '--name', 'paused');
    await statusIs(created.key, 200);
    expect(await output('keys', 'pause', 'paused')).toContain('Paused "paused"');
    await statusIs(created.key, 403);
    await output('keys', 'resume', 'paused');
    await statusIs(created.key, 200);
    const rotated = await json('keys', 'rotate', 'paused', '--grace', '0s');
    await statusIs(rotated.key, 200);
    await statusIs(created.key, 401);
  }, 30_000);
});

test('weir tenants changes tier, status, limits and time zone', async () => {
  expect(await output('tenants', 'create', 'acme')).toContain(
    'Created the tenant acme (tier free: 10 requests per minute, 1000 requests per month).',
  );
  const { key } = await json('keys', 'create', '--tenant', 'acme', '--name', 'k');
  await statusIs(key, 200);
  expect(
    await output(
      ...['tenants', 'update', 'acme', '--tier', 'pro', '--time-zone', 'Europe/Zurich'],
      ...['--budget', '20', '--status', 'suspended'],
    ),
  ).toContain('suspended, tier pro: 1000 requests per minute');
  await statusIs(key, 403);
  await output('tenants', 'update', 'acme', '--status', 'active');
  await statusIs(key, 200);
  expect((await list('tenants', 'list')).find(({ id }) => id === 'acme')).toMatchObject({
    tier: 'pro',
    time_zone: 'Europe/Zurich',
    created_at: expect.any(String),
    limits: [{ of: 'cost', per: 'month', max: '20' }],
  });
  expect(await failure('tenants', 'update', 'acme', '--time-zone', 'Mars')).toContain('IANA time zone');
}, 30_000);

test('weir users and members manage people', async () => {
  const created = await run('users', 'create', 'Ada@weir.test', '--name', 'Ada');
  expect(created.stderr).toContain('shown only this once');
  const password = created.stdout.trim();
  const signIn = () =>
    fetch(`${gateway.url}/v1/auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'ada@weir.test', password }),
    });
  expect((await signIn()).status).toBe(200);
  await output('members', 'add', 'ada@weir.test', '--role', 'admin');
  await output('members', 'add', 'nightly batch', '--service-account', '--limit', '5 requests per day');
  // In the order of their ids, which begin with the kind.
  expect(await list('members', 'list')).toMatchObject([
    { name: 'nightly batch', kind: 'service_account', role: 'developer', limits: [{ max: 5 }] },
    { name: 'Ada', email: 'ada@weir.test', role: 'admin' },
  ]);
  await output('members', 'update', 'Ada', '--role', 'viewer');
  expect(await output('users', 'list')).toContain('default: viewer');
  const key = await json('keys', 'create', '--name', 'of ada', '--member', 'nightly batch');
  await statusIs(key.key, 200);
  await output('members', 'remove', 'nightly batch');
  await statusIs(key.key, 401);
  await output('users', 'suspend', 'ada@weir.test');
  expect((await signIn()).status).toBe(401);
  await output('users', 'activate', 'ada@weir.test');

  const { token } = await json('members', 'invite', 'bo@weir.test');
  const accepted = await fetch(`${gateway.url}/v1/auth/invitations/accept`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, name: 'Bo', password: 'a long password' }),
  });
  expect(accepted.status).toBe(201);
  expect(await failure('members', 'add', 'nobody@weir.test')).toContain('no user with the address');
  expect(await failure('members', 'update', 'Bo', '--role', 'king')).toContain('Use one of: owner');
}, 60_000);

test('weir usage, limits, audit and models report', async () => {
  await output('tenants', 'create', 'reported', '--tier', 'none', '--limit', '100 requests per day');
  const { key } = await json(
    ...['keys', 'create', '--tenant', 'reported', '--name', 'app', '--limit', '10 requests per day'],
  );
  await statusIs(key, 200);
  const served = await ask(key);
  expect(served.status).toBe(200);
  const usage = () => output('usage', '--tenant', 'reported', '--group-by', 'key,model');
  await eventually('it is stored', async () => (await usage()).includes('simulator'), 10_000);
  expect((await usage()).split('\n')[0]).toMatch(/^KEY +KEY NAME +MODEL +REQUESTS/);
  expect(await output('usage', '--tenant', 'reported', '--csv', '--interval', 'day')).toStartWith(
    'start,period,requests',
  );
  expect(asObject(JSON.parse(await output('usage', '--all', '--json')))).toMatchObject({ object: 'usage' });
  expect(await failure('usage', '--interval', 'week')).toContain('--interval');
  expect(await failure('usage', '--tenant', 'none')).toContain('Unknown tenant');
  expect(await failure('usage', 'archive', '--dry-run')).toContain('storage.usage_archive.to');

  const limits = await list('limits', '--tenant', 'reported');
  expect(limits).toMatchObject([
    { scope: 'tenant', of: 'requests', max: '100', used: expect.stringMatching(/^[1-9]/) },
    { scope: 'key', subject: 'app', max: '10', used: expect.stringMatching(/^[1-9]/) },
  ]);
  expect(await output('audit', '--tenant', 'reported')).toMatch(/\(weir command\) +key\.create/);
  expect(await output('audit', '--action', 'tenant.create', '--limit', '1')).toContain('tenant:reported');
  const models = await list('models');
  expect(models.find(({ id }) => id === 'simulator')).toMatchObject({ targets: ['simulator/simulator'] });
}, 60_000);

test('weir serve takes its port and configuration from the command line', async () => {
  const config = join(folder, 'other.yaml');
  writeFileSync(config, stringify({ server: { port: 1, metrics_port: null }, models: [] }));
  const port = await freePort();
  const other = await startGateway({
    args: ['--port', String(port), '--host', '127.0.0.1', '--config', config],
    env: { SERVER_PORT: '1', METRICS_PORT: undefined },
    port,
  });
  expect(other.stdout()).toContain(`http://127.0.0.1:${port}/v1`);
  expect(other.stdout()).toContain(config);
  await other.stop();
  for (const args of [
    ['serve', '--config', 'nowhere.yaml'],
    ['doctor', '--config', 'nowhere.yaml'],
    ['config', 'check', 'nowhere.yaml'],
  ]) {
    const { stdout, stderr } = await run(...args);
    expect(stdout + stderr).toContain('nowhere.yaml  there is no such file');
    expect(stdout + stderr).not.toContain('WEIR_CONFIG');
  }
}, 30_000);

test('docs/cli.md has every command', async () => {
  const page = await Bun.file(new URL('../../docs/cli.md', import.meta.url)).text();
  const table = page.slice(page.indexOf('## Commands'), page.indexOf('## Keys'));
  const commandsIn = (help: string) =>
    help
      .slice(help.indexOf('Commands:'))
      .split('\n')
      .flatMap((line) => /^ {2}([a-z-]+)(?= |$)/.exec(line)?.[1] ?? [])
      .filter((name) => name !== 'help');
  for (const name of commandsIn(await output('--help'))) {
    expect(table).toMatch(new RegExp(`\`(?:weir )?${name}\\b`));
    const help = await output(name, '--help');
    if (!help.includes('Commands:')) continue;
    const row = table.split('\n').find((line) => line.includes(`\`weir ${name} `)) ?? '';
    for (const sub of commandsIn(help))
      expect([name, row]).toEqual([name, expect.stringMatching(new RegExp(`\\b${sub}\\b`))]);
  }
}, 60_000);
