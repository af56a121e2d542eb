import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CountingUpstream, startCountingUpstream } from '../support/counting-upstream.ts';
import { FULL } from '../support/effort.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type ObjectStore, startObjectStore } from '../support/object-store.ts';
import { chat, eventually, mockConfig, post, weir } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';
import { INSTALLATIONS, temporaryFolder } from './helpers/installations.ts';
import { parseObject } from './helpers/json.ts';

const closers: (() => unknown)[] = [];
const onEnd = (close: () => unknown) => void closers.push(close);
let store: ObjectStore;
let upstream: CountingUpstream;
beforeEach(async () => {
  store = startObjectStore('backups', { secrets: { AKIDEXAMPLE: 'secret' } });
  onEnd(() => store.close());
  upstream = await startCountingUpstream(14, 0);
  onEnd(() => upstream.close());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const PRICES = [{ model: 'upstream-chat', input: '1', output: '10' }];
const LOCATION = 's3://backups/weir';

async function startOn(env: Record<string, string>): Promise<Gateway> {
  const gateway = await startGateway({
    config: mockConfig(upstream.url, { prices: PRICES }),
    env,
    ...(env.WEIR_DATA_DIR !== undefined && { dataDir: env.WEIR_DATA_DIR }),
  });
  onEnd(() => gateway.stop());
  return gateway;
}

async function succeed(args: readonly string[], env: Record<string, string>) {
  const result = await weir(args, env);
  if (result.code !== 0) throw new Error(`weir ${args.join(' ')}: ${result.stderr}`);
  return result;
}

/** @returns the message of a command that fails without a stack */
async function rejected(args: readonly string[], env: Record<string, string>): Promise<string> {
  const result = await weir(args, env);
  expect([args, result.code, result.stdout]).toEqual([args, 1, '']);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  return result.stderr;
}

async function requestsOf(gateway: Gateway): Promise<number> {
  const [sums = {}] = dataOf(await done(gateway, 'GET', '/tenants/acme/usage'));
  return Number(sums.requests ?? 0);
}

/** Sends requests of a tenant, and now and then creates a key, until `stop`. */
function startLoad(gateway: Gateway, key: string) {
  let running = true;
  let answered = 0;
  const client = async (number: number) => {
    for (let round = 0; running; round += 1) {
      const content = `request ${number}r${round}`;
      const response = await post(gateway, chat({ messages: [{ role: 'user', content }] }), {
        headers: { authorization: `Bearer ${key}` },
      });
      await response.text();
      expect(response.status).toBe(200);
      answered += 1;
      if (round % 20 === 0) await done(gateway, 'POST', '/tenants/acme/keys', { name: `${number} ${round}` });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const clients = [0, 1, 2].map(client);
  return {
    answered: () => answered,
    stop: async () => {
      running = false;
      await Promise.all(clients);
    },
  };
}

// The SQLite variant differs in what `src/storage/backup` tests in process.
const databases = INSTALLATIONS.filter(({ available, name }) => available && (FULL || name === 'PostgreSQL'));
const cases = databases.length > 0 ? databases : INSTALLATIONS.filter(({ available }) => available);

describe.each(cases)('on $name', ({ install }) => {
  test('encrypted increments made under load restore everything, also on the other database', async () => {
    const installation = await install(onEnd);
    const env = {
      ...installation.env,
      AWS_ENDPOINT_URL_S3: store.url,
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      WEIR_BACKUP_PASSPHRASE: 'water over the weir',
    };
    const gateway = await startOn(env);
    await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
    await done(gateway, 'POST', '/tenants', { id: 'idle', tier: null });
    const key = String((await done(gateway, 'POST', '/tenants/acme/keys', { name: 'k' })).key);
    const load = startLoad(gateway, key);
    await eventually('there is load', () => load.answered() > 50, 20_000);
    const first = parseObject((await succeed(['backup', LOCATION, '--json'], env)).stdout);
    expect(first).toMatchObject({ encrypted: true, tenants: 3, parent: null });
    await eventually('there is more', () => load.answered() > 150, 20_000);
    // What was answered before the backup begins has to be in it.
    const before = load.answered();
    const audited = dataOf(await done(gateway, 'GET', '/tenants/acme/audit?limit=200'));
    const second = parseObject((await succeed(['backup', LOCATION, '--json'], env)).stdout);
    expect(second).toMatchObject({ parent: first.backup, encrypted: true });
    expect(await rejected(['restore', LOCATION, '--force'], env)).toContain('Stop all gateways');
    await load.stop();
    await gateway.stop();
    const sent = load.answered();
    await installation.lose();

    const wrong = { ...env, WEIR_BACKUP_PASSPHRASE: 'water under the weir' };
    expect(await rejected(['restore', LOCATION], wrong)).toContain('The passphrase is not the one');
    const dry = await succeed(['restore', LOCATION, '--dry-run'], env);
    expect(dry.stdout).toContain('Would restore 3 tenants');
    const restored = parseObject((await succeed(['restore', LOCATION, '--json'], env)).stdout);
    expect(restored).toMatchObject({ restored: true, tenants: 3 });
    const began = performance.now();
    const again = await startOn(env);
    const served = await post(again, chat(), { headers: { authorization: `Bearer ${key}` } });
    expect(served.status).toBe(200);
    const seconds = Number(restored.seconds) + (performance.now() - began) / 1_000;
    await eventually('the usage is there', async () => (await requestsOf(again)) >= before + 1, 15_000);
    expect(await requestsOf(again)).toBeLessThanOrEqual(sent + 1);
    const trail = dataOf(await done(again, 'GET', '/tenants/acme/audit?limit=200'));
    expect(trail).toEqual(expect.arrayContaining(audited));
    await again.stop();
    expect((await succeed(['audit', 'verify'], env)).stdout).toContain('acme');
    console.log(
      `restored and serving after ${seconds.toFixed(1)} s; ${sent - before} of ${sent} requests were sent later`,
    );

    // The same backup on SQLite, as of its first state.
    const moved = { ...env, WEIR_DATA_DIR: join(temporaryFolder(onEnd), 'data'), DATABASE_URL: '' };
    await succeed(['restore', LOCATION, '--at', String(first.backup)], moved);
    const elsewhere = await startOn(moved);
    const usual = await post(elsewhere, chat(), { headers: { authorization: `Bearer ${key}` } });
    expect(usual.status).toBe(200);
    await elsewhere.stop();
    await succeed(['audit', 'verify'], moved);
  }, 120_000);
});

test('the commands keep, list, verify and delete backups in a folder, with the files of the installation', async () => {
  const folder = temporaryFolder(onEnd);
  const config = join(folder, 'weir.yaml');
  const include = join(folder, 'certs');
  mkdirSync(include);
  writeFileSync(config, 'cache: {}\n');
  writeFileSync(join(include, 'tls.crt'), 'a certificate');
  const env = { WEIR_DATA_DIR: join(folder, 'data'), WEIR_CONFIG: config };
  const gateway = await startOn({ WEIR_DATA_DIR: env.WEIR_DATA_DIR });
  await gateway.stop();
  const keyFile = join(folder, 'key');
  writeFileSync(keyFile, 'ab'.repeat(32));
  const location = join(folder, 'backups');
  const secret = ['--key-file', keyFile];

  expect(await rejected(['backup', folder, '--incremental'], env)).toContain('is not empty');
  expect(await rejected(['backup', location, '--every', '1s'], env)).toContain('at least 10s');
  expect(await rejected(['backup', location, '--include', join(folder, 'none')], env)).toContain(
    'does not exist',
  );
  const made = await succeed(['backup', location, ...secret, '--include', include], env);
  expect(made.stdout).toMatch(/^Backed up 1 tenant \(.*\) to .*backups as \d{8}T\d{9}Z-[0-9a-f]{8} in /);
  // A repository is recognised; the second backup is an increment.
  await succeed(['backup', location, ...secret, '--include', include, '--json'], env);
  expect(await rejected(['backup', location], env)).toContain('are encrypted with a key file');
  const listed = (await succeed(['backup', 'list', location, ...secret, '--json'], env)).stdout
    .trim()
    .split('\n');
  const [one, two] = listed.map(parseObject);
  expect([one, two]).toMatchObject([
    { parent: null, files: 2 },
    { parent: one?.backup, files: 2 },
  ]);
  expect((await succeed(['backup', 'verify', location, ...secret, '--all'], env)).stdout).toContain(
    '2 backups complete',
  );
  expect(await rejected(['backup', 'verify', location, ...secret, '--max-age', '1ms'], env)).toContain(
    'longer ago than 1ms',
  );
  expect(await rejected(['backup', 'prune', location, ...secret], env)).toContain('Say what to keep');
  const planned = await succeed(
    ['backup', 'prune', location, ...secret, '--keep-last', '1', '--dry-run'],
    env,
  );
  expect(planned.stdout).toContain(`Would delete ${one?.backup}`);
  await succeed(['backup', 'prune', location, ...secret, '--keep-last', '1'], env);

  const target = { WEIR_DATA_DIR: join(folder, 'restored') };
  const files = join(folder, 'files');
  expect(await rejected(['restore', location, ...secret, '--at', String(one?.backup)], target)).toContain(
    'is neither a backup nor a time',
  );
  expect(await rejected(['restore', location, ...secret, '--at', '2020-01-01'], target)).toContain(
    'has no backup of 2020-01-01',
  );
  await succeed(['restore', location, ...secret, '--files', files], target);
  expect(readFileSync(join(files, include, 'tls.crt'), 'utf8')).toBe('a certificate');
  expect(readFileSync(join(files, config), 'utf8')).toBe('cache: {}\n');
  expect(statSync(join(files, include, 'tls.crt')).mode & 0o077).toBe(0);
  const other = { WEIR_DATA_DIR: join(folder, 'other') };
  expect(await rejected(['restore', location, ...secret, '--files', files], other)).toContain(
    'exists already',
  );

  const chunks = join(location, 'chunks');
  const [chunk = ''] = readdirSync(chunks, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.length > 60,
  );
  rmSync(join(chunks, chunk));
  expect(await rejected(['restore', location, ...secret], other)).toContain(`chunks/${chunk} is missing`);
  expect(await rejected(['backup', 'verify', location, ...secret], other)).toContain(
    `chunks/${chunk} is missing`,
  );
  expect(() => statSync(other.WEIR_DATA_DIR)).toThrow();
}, 60_000);
