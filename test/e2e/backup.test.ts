import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type CountingUpstream, startCountingUpstream } from '../support/counting-upstream.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type CommandResult, chat, eventually, mockConfig, post, weir } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';
import { INSTALLATIONS, type Installation, temporaryFolder } from './helpers/installations.ts';
import { parseObject } from './helpers/json.ts';

const closers: (() => unknown)[] = [];
const onEnd = (close: () => unknown) => void closers.push(close);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const freshFolder = () => temporaryFolder(onEnd);

const PRICES = [{ model: 'upstream-chat', input: '1', output: '10' }];

const ADA = { email: 'ada@example.com', name: 'Ada', password: 'a-long-password-1' };

async function startOn({ env }: Installation, upstream: CountingUpstream): Promise<Gateway> {
  const gateway = await startGateway({
    config: mockConfig(upstream.url, { prices: PRICES }),
    env,
    ...(env.WEIR_DATA_DIR !== undefined && { dataDir: env.WEIR_DATA_DIR }),
  });
  closers.push(() => gateway.stop());
  return gateway;
}

async function succeed(args: readonly string[], env: Record<string, string>): Promise<CommandResult> {
  const result = await weir(args, env);
  if (result.code !== 0) throw new Error(`weir ${args.join(' ')}: ${result.stderr}`);
  return result;
}

/** All of a tenant's data that the admin API shows, except for what changes with use. */
async function stateOf(gateway: Gateway, tenant: string) {
  const list = async (path: string) => dataOf(await done(gateway, 'GET', `/tenants/${tenant}${path}`));
  const keys = (await list('/keys?limit=100')).map(({ last_used_at: _, ...key }) => key);
  return { keys, members: await list('/members'), audit: await list('/audit?limit=200') };
}

async function usageOf(gateway: Gateway, tenant: string) {
  const [sums = {}] = dataOf(await done(gateway, 'GET', `/tenants/${tenant}/usage`));
  return { requests: Number(sums.requests ?? 0), cost: Number(sums.cost ?? 0) };
}

describe.each(INSTALLATIONS.filter(({ available }) => available))('on $name', ({ name, install }) => {
  /** What depends little on the kind of database is tested on the others in `npm run test:full`. */
  const isOften = FULL || name === 'SQLite';

  test('a backup made under load restores keys, people, usage and audit trail', async () => {
    const installation = await install(onEnd);
    const { env } = installation;
    const folder = join(freshFolder(), 'backup');
    const upstream = await startCountingUpstream(11, 0);
    closers.push(() => upstream.close());
    const gateway = await startOn(installation, upstream);
    const secrets: Record<string, string> = {};
    await done(gateway, 'POST', '/users', ADA);
    for (const tenant of ['acme', 'beta']) {
      await done(gateway, 'POST', '/tenants', { id: tenant, tier: null });
      await done(gateway, 'POST', `/tenants/${tenant}/members`, { email: ADA.email, role: 'admin' });
      await done(gateway, 'POST', `/tenants/${tenant}/service-accounts`, { name: 'bot', role: 'developer' });
      secrets[tenant] = String((await done(gateway, 'POST', `/tenants/${tenant}/keys`, { name: 'k' })).key);
    }
    let stop = false;
    let answered = 0;
    const client = async (tenant: string, number: number) => {
      for (let round = 0; !stop; round += 1) {
        const headers = { authorization: `Bearer ${secrets[tenant]}` };
        const content = `request ${tenant}${number}r${round} please`;
        const response = await post(gateway, chat({ messages: [{ role: 'user', content }] }), { headers });
        await response.text();
        expect(response.status).toBe(200);
        answered += 1;
        if (round % 20 === 0) {
          await done(gateway, 'POST', `/tenants/${tenant}/keys`, { name: `during ${number} ${round}` });
        }
        // A steady load: as much as possible would only slow down the command that is tested.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const clients = ['acme', 'beta'].flatMap((tenant) => [0, 1, 2].map((number) => client(tenant, number)));
    await eventually('there is load', () => answered > 200, 20_000);
    // Requests that were answered before the backup begins have to be in it.
    const before = answered;
    const states = { acme: await stateOf(gateway, 'acme'), beta: await stateOf(gateway, 'beta') };
    const result = await succeed(['backup', folder, '--json'], env);
    const report = parseObject(result.stdout);
    expect(report).toMatchObject({ folder, tenants: 3, secret: 'database', deleted_tenants: [] });
    const after = answered;
    expect(after).toBeGreaterThan(before);
    stop = true;
    await Promise.all(clients);
    await gateway.stop();
    await installation.lose();

    await succeed(['restore', folder], env);
    const again = await startOn(installation, upstream);
    for (const tenant of ['acme', 'beta'] as const) {
      const restored = await stateOf(again, tenant);
      expect(restored.keys).toEqual(expect.arrayContaining(states[tenant].keys));
      expect(restored.members).toEqual(states[tenant].members);
      expect(restored.audit).toEqual(expect.arrayContaining(states[tenant].audit));
      // Each key is in the tenant's database and in the index that authenticates it.
      const created = restored.audit.filter(({ action }) => action === 'key.create');
      expect(created).toHaveLength(restored.keys.length);
      const response = await post(again, chat(), { headers: { authorization: `Bearer ${secrets[tenant]}` } });
      expect(response.status).toBe(200);
    }
    const signedIn = await fetch(`${again.url}/v1/auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: ADA.email, password: ADA.password }),
    });
    expect(signedIn.status).toBe(200);
    // Pending usage of the backup is stored by the start.
    await eventually(
      'usage has arrived',
      async () =>
        (await usageOf(again, 'acme')).requests + (await usageOf(again, 'beta')).requests >= before + 2,
      15_000,
    );
    let requests = 0;
    for (const tenant of ['acme', 'beta']) {
      let counted = -1;
      let ids: unknown[] = [];
      // Usage of the journal may still arrive between two reads, so the events are read between two equal sums.
      await eventually(
        `the usage of ${tenant} is complete`,
        async () => {
          counted = (await usageOf(again, tenant)).requests;
          const events = dataOf(await done(again, 'GET', `/tenants/${tenant}/usage/events?limit=1000`));
          ids = events.map(({ id }) => id);
          const complete = counted > 1_000 || ids.length === counted;
          return complete && (await usageOf(again, tenant)).requests === counted;
        },
        15_000,
      );
      // Sums and events agree, so no event was stored twice.
      expect(new Set(ids).size).toBe(ids.length);
      requests += counted;
    }
    expect(requests).toBeLessThanOrEqual(after + clients.length + 2);
  }, 120_000);

  test.skipIf(!isOften)(
    'a restore is refused while a gateway runs, and without --force over existing data',
    async () => {
      const installation = await install(onEnd);
      const { env } = installation;
      const folder = join(freshFolder(), 'backup');
      const upstream = await startCountingUpstream(12, 0);
      closers.push(() => upstream.close());
      const gateway = await startOn(installation, upstream);
      await done(gateway, 'POST', '/tenants', { id: 'kept', tier: null });
      await succeed(['backup', folder], env);
      const again = await weir(['backup', folder], env);
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('--force')]);
      await succeed(['backup', folder, '--force'], env);
      await done(gateway, 'POST', '/tenants', { id: 'later', tier: null });

      const running = await weir(['restore', folder, '--force'], env);
      expect([running.code, running.stderr]).toEqual([1, expect.stringContaining('Stop all gateways')]);
      await gateway.stop();
      const refused = await weir(['restore', folder], env);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--force')]);
      const plan = await succeed(['restore', folder, '--dry-run'], env);
      expect(plan.stdout).toContain('Would restore 2 tenants');
      expect(plan.stdout).toContain('Would delete the existing data of 3 tenants');

      const restored = parseObject((await succeed(['restore', folder, '--force', '--json'], env)).stdout);
      expect(restored).toMatchObject({ restored: true, replaces: true, leftover: [], tenants: 2 });
      const after = await startOn(installation, upstream);
      const ids = dataOf(await done(after, 'GET', '/tenants')).map(({ id }) => id);
      expect(ids).toEqual(['default', 'kept']);
      expect((await admin(after, 'GET', '/tenants/kept/members')).status).toBe(200);
    },
    60_000,
  );

  test.skipIf(!isOften)(
    'a start fails when the database of a tenant is missing or empty, and names it',
    async () => {
      const installation = await install(onEnd);
      const { env } = installation;
      const upstream = await startCountingUpstream(13, 0);
      closers.push(() => upstream.close());
      const gateway = await startOn(installation, upstream);
      await done(gateway, 'POST', '/tenants', { id: 'gone-one', tier: null });
      await gateway.stop();
      await loseTenant(env, 'gone_one');
      const failed = await startOn(installation, upstream).then(
        () => 'started',
        (error: unknown) => String(error),
      );
      expect(failed).toContain('The databases of 1 tenants are missing');
      expect(failed).toContain('gone-one');
      expect(failed).not.toMatch(/\n\s+at /);
      const backup = await weir(['backup', join(freshFolder(), 'backup')], env);
      expect([backup.code, backup.stderr]).toEqual([1, expect.stringContaining('gone-one')]);
      // The way out that the message names.
      await succeed(['tenants', 'delete', 'gone-one', '--yes'], env);
      await startOn(installation, upstream);
    },
    60_000,
  );
});

/** Deletes one tenant's database behind the gateway's back. */
async function loseTenant(env: Record<string, string>, part: string): Promise<void> {
  if (env.DATABASE_URL === undefined) {
    const folder = join(env.WEIR_DATA_DIR ?? '', 'tenants');
    for (const name of readdirSync(folder)) if (name.includes(part)) rmSync(join(folder, name));
    return;
  }
  const client = new pg.Client({ connectionString: env.DATABASE_URL });
  await client.connect();
  const { rows } = await client.query<{ database: string }>(
    `SELECT database FROM tenants WHERE database LIKE '%${part}%'`,
  );
  for (const { database } of rows) await client.query(`DROP DATABASE "${database}" WITH (FORCE)`);
  await client.end();
}

describe('a backup', () => {
  const upstreamless = mockConfig('http://127.0.0.1:1');
  const SECRET = 'the-first-secret-0123456789';
  const env = { WEIR_SECRET: SECRET };
  const home = mkdtempSync(join(tmpdir(), 'weir-backup-'));
  const original = join(home, 'original');
  /** Of the installation that is backed up. */
  const source = { WEIR_DATA_DIR: join(home, 'data'), ...env };
  beforeAll(async () => {
    const gateway = await startGateway({ config: upstreamless, dataDir: source.WEIR_DATA_DIR, env });
    await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
    await gateway.stop();
    await succeed(['backup', original], source);
  }, 60_000);
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** @returns a copy of one backup, which the test may alter */
  function backedUp(): string {
    const folder = join(freshFolder(), 'backup');
    cpSync(original, folder, { recursive: true });
    return folder;
  }
  const fresh = () => ({ WEIR_DATA_DIR: join(freshFolder(), 'data'), ...env });

  test('is readable by its owner only, and lists every file with its hash', async () => {
    const folder = original;
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
    for (const file of files) expect(statSync(join(folder, file)).mode & 0o077).toBe(0);
    const manifest = parseObject(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const { databases } = manifest;
    expect(databases).toHaveLength(3);
    expect(files.filter((file) => file.endsWith('.sqlite'))).toHaveLength(3);
    // No temporary file is left, within it or next to it.
    expect(readdirSync(home).sort()).toEqual(['data', 'original']);
  });

  test('that is incomplete or altered is rejected, and every such file is named', async () => {
    const folder = backedUp();
    const databases = join(folder, 'databases');
    const [acme = '', other = ''] = readdirSync(databases).filter((name) => name.startsWith('weir_'));
    rmSync(join(databases, acme));
    const bytes = readFileSync(join(databases, other));
    bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
    writeFileSync(join(databases, other), bytes);
    const result = await weir(['restore', folder], fresh());
    expect([result.code, result.stdout]).toEqual([1, '']);
    expect(result.stderr).toContain(`${acme}: missing`);
    expect(result.stderr).toContain(`${other}: SHA-256 differs`);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('with an altered, missing or unreadable manifest is rejected', async () => {
    const folder = backedUp();
    const target = fresh();
    const path = join(folder, 'manifest.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"acme"', '"evil"'));
    expect((await weir(['restore', folder], target)).stderr).toContain('does not match');
    rmSync(path);
    expect((await weir(['restore', folder], target)).stderr).toContain('manifest.json is missing');
    expect((await weir(['restore', join(folder, 'nowhere')], target)).stderr).toContain('missing');
  });

  test('does not contain WEIR_SECRET, and is not restored with another one', async () => {
    const folder = original;
    const target = { WEIR_DATA_DIR: join(freshFolder(), 'data') };
    const without = await weir(['restore', folder], target);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('set WEIR_SECRET')]);
    const other = await weir(['restore', folder], { ...target, WEIR_SECRET: 'another-one-0123456789' });
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('differs')]);
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, file);
      if (statSync(path).isFile()) expect(readFileSync(path).includes(SECRET)).toBe(false);
    }
    await succeed(['restore', folder], { ...env, ...target });
  });

  test('needs something to back up, and a folder of its own', async () => {
    const data = join(freshFolder(), 'data');
    const target = freshFolder();
    const nothing = await weir(['backup', join(target, 'b')], { WEIR_DATA_DIR: data });
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('nothing to back up')]);
    expect(readdirSync(target)).toEqual([]);
    writeFileSync(join(target, 'mine.txt'), 'mine');
    const taken = await weir(['backup', target, '--force'], source);
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('not a backup')]);
    expect(readdirSync(target)).toEqual(['mine.txt']);
  });
});

test('a folder that lost its control database is not started as a new one', async () => {
  const data = join(freshFolder(), 'data');
  const config = mockConfig('http://127.0.0.1:1');
  const gateway = await startGateway({ config, dataDir: data });
  await gateway.stop();
  for (const name of readdirSync(data)) {
    if (name.startsWith('control.sqlite')) rmSync(join(data, name));
  }
  const failed = await startGateway({ config, dataDir: data }).then(
    () => 'started',
    (error: unknown) => String(error),
  );
  expect(failed).toContain('control.sqlite is missing');
  expect(failed).toContain('weir restore');
});
