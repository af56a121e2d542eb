import { Database } from 'bun:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { stringify } from 'yaml';
import { freePort } from '../support/free-port.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, refusedUrl, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { canStopPostgres, startPostgres, type TestPostgres } from '../support/services/postgres.ts';
import { chat, mockConfig, post, weir } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-doctor-'));
const running: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem' | 'not_checked';
  readonly message: string;
  readonly advice?: string;
}

interface Examination {
  readonly code: number | null;
  readonly findings: ReadonlyMap<string, Finding>;
}

let freePorts: Record<string, string>;
beforeAll(async () => {
  freePorts = {
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
  };
});

async function examine(env: Record<string, string>): Promise<Examination> {
  const { code, stdout, stderr } = await weir(['doctor', '--json'], { ...freePorts, ...env });
  expect(stderr).toBe('');
  const { findings }: { findings: Finding[] } = JSON.parse(stdout);
  return { code, findings: new Map(findings.map((finding) => [finding.check, finding])) };
}

let files = 0;
function configFile(config: Record<string, unknown>): string {
  files += 1;
  const path = join(folder, `weir-${files}.yaml`);
  writeFileSync(path, stringify(config));
  return path;
}

async function start(options: Parameters<typeof startGateway>[0]): Promise<Gateway> {
  const gateway = await startGateway(options);
  running.push(gateway);
  return gateway;
}

/** Every file below a folder with its contents and the time of its last change. */
function contentsOf(path: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [
        file,
        `${createHash('sha256').update(readFileSync(file)).digest('hex')} ${statSync(file).mtimeMs}`,
      ]),
  );
}

describe('doctor changes nothing', () => {
  test('before the first start', async () => {
    const dataDir = join(folder, 'none');
    const { code, findings } = await examine({ WEIR_DATA_DIR: dataDir });
    expect(code).toBe(0);
    expect(findings.get('store')).toMatchObject({ level: 'ok', message: expect.stringContaining('empty') });
    expect(existsSync(dataDir)).toBe(false);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'after a gateway ended by %s',
    async (signal) => {
      const dataDir = join(folder, signal);
      const gateway = await start({ dataDir });
      await post(gateway, chat({ model: 'simulator' }));
      gateway.signal(signal);
      await gateway.exited;
      const before = contentsOf(dataDir);
      const { code, findings } = await examine({ WEIR_DATA_DIR: dataDir });
      expect(findings.get('store')).toMatchObject({
        level: 'ok',
        message: expect.stringMatching(/, 1 tenant$/),
      });
      expect(code).toBe(0);
      expect(contentsOf(dataDir)).toEqual(before);
    },
    30_000,
  );

  test('in databases of an older version, whose migrations it counts', async () => {
    const dataDir = join(folder, 'older');
    const gateway = await start({ dataDir });
    await gateway.stop();
    const [tenant = ''] = readdirSync(join(dataDir, 'tenants')).filter((name) => name.endsWith('.sqlite'));
    for (const file of ['control.sqlite', join('tenants', tenant)]) {
      const database = new Database(join(dataDir, file));
      database.run('DELETE FROM kysely_migration WHERE name = (SELECT max(name) FROM kysely_migration)');
      database.close();
    }
    const before = contentsOf(dataDir);
    const { code, findings } = await examine({ WEIR_DATA_DIR: dataDir });
    expect(findings.get('store')?.message).toContain('the next start applies 2 migrations');
    expect(code).toBe(0);
    for (const option of ['--plan', '--dry-run']) {
      const plan = await weir(['migrate', option, '--json'], { WEIR_DATA_DIR: dataDir });
      expect(JSON.parse(plan.stdout)).toMatchObject({
        applied: false,
        databases: [{ database: 'control' }, { database: 'default' }],
      });
    }
    expect(contentsOf(dataDir)).toEqual(before);
  }, 30_000);

  test('and reports a tenant whose database is missing', async () => {
    const dataDir = join(folder, 'missing');
    const gateway = await start({ dataDir });
    await gateway.stop();
    for (const name of readdirSync(join(dataDir, 'tenants'))) rmSync(join(dataDir, 'tenants', name));
    const { code, findings } = await examine({ WEIR_DATA_DIR: dataDir });
    expect(code).toBe(1);
    expect(findings.get('tenants')).toMatchObject({
      level: 'problem',
      message: expect.stringContaining('default'),
    });
    expect(readdirSync(join(dataDir, 'tenants'))).toEqual([]);
  }, 30_000);
});

test('doctor beside a running Weir finds nothing wrong', async () => {
  const mock = await startMockUpstream();
  running.push({ stop: () => mock.close() });
  mock.respondAlways(json({ object: 'list', data: [{ id: 'upstream-chat' }] }));
  const gateway = await start({ config: mockConfig(mock.url), dataDir: join(folder, 'beside') });
  const env = {
    WEIR_DATA_DIR: gateway.dataDir,
    WEIR_CONFIG: gateway.configPath,
    SERVER_PORT: new URL(gateway.url).port,
    METRICS_PORT: new URL(gateway.metricsUrl).port,
  };
  const { code, findings } = await examine(env);
  expect([...findings.values()].filter(({ level }) => level !== 'ok')).toEqual([]);
  expect(findings.get('gateway')?.message).toContain(`process ${gateway.pid} at ${gateway.url}`);
  expect(code).toBe(0);
  const words = await weir(['doctor'], { ...freePorts, ...env });
  expect(words.stdout).toContain('0 problems, 0 warnings. Weir is running.');
  // The gateway goes on.
  expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
}, 30_000);

describe('doctor says what it did not check', () => {
  async function upstream(): Promise<MockUpstream> {
    const mock = await startMockUpstream();
    running.push({ stop: () => mock.close() });
    return mock;
  }

  test('and really calls Azure', async () => {
    const [good, refusing, bare] = [await upstream(), await upstream(), await upstream()];
    good.respondAlways(json({ object: 'list', data: [{ id: 'gpt-4o' }] }));
    refusing.respondAlways(status(401, { error: { code: '401', message: 'Access denied' } }));
    bare.respondAlways(status(404, { error: { code: '404', message: 'Resource not found' } }));
    const azure = (id: string, base_url: string) => ({ id, kind: 'azure-openai', base_url, api_key: 'k' });
    const { code, findings } = await examine({
      WEIR_CONFIG: configFile({
        providers: [
          azure('good', good.url),
          azure('refusing', refusing.url),
          azure('bare', bare.url),
          azure('closed', await refusedUrl()),
        ],
      }),
    });
    expect(code).toBe(1);
    const levels = ['good', 'refusing', 'bare', 'closed'].map((id) => findings.get(`provider ${id}`)?.level);
    expect(levels).toEqual(['ok', 'problem', 'not_checked', 'problem']);
    expect(findings.get('provider good')?.message).toContain('key accepted, its models are not checked');
    expect(good.requests.map(({ target }) => target)).toEqual(['/openai/v1/models']);
    expect(good.requests[0]?.headers.get('api-key')).toBe('k');
  });

  test('of a provider without a model list, and of a key that no request carries', async () => {
    const [bedrock, engine] = [await upstream(), await upstream()];
    bedrock.respondAlways(status(403, { message: 'Missing Authentication Token' }));
    engine.respondAlways(json({ object: 'list', data: [{ id: 'm' }] }));
    const path = configFile({
      providers: [
        { id: 'aws', kind: 'bedrock', region: 'us-east-1', base_url: bedrock.url, api_key: 'k' },
        { id: 'own', kind: 'openai-compatible', base_url: `${engine.url}/v1` },
      ],
    });
    const { code, findings } = await examine({ WEIR_CONFIG: path });
    expect(code).toBe(0);
    expect(findings.get('provider aws')).toMatchObject({ level: 'not_checked' });
    expect(findings.get('provider own')?.message).toContain('no key configured, 1 model');
    const words = await weir(['doctor'], { ...freePorts, WEIR_CONFIG: path });
    expect(words.stdout).toContain('not checked: reachable');
    expect(words.stdout).toMatch(/, 1 not checked\. Weir can start\./);
  });
});

describe.skipIf(!canStopPostgres)('a PostgreSQL that is not set up', () => {
  let postgres: TestPostgres;
  let admin: string;
  beforeAll(async () => {
    postgres = await startPostgres();
    admin = await postgres.freshUrl();
    const client = new pg.Client({ connectionString: admin });
    await client.connect();
    await client.query('CREATE ROLE poor LOGIN');
    await client.query('CREATE DATABASE poor OWNER poor');
    await client.query('CREATE DATABASE foreign_database');
    await client.end();
  }, 60_000);
  afterAll(() => postgres?.dispose());

  const urlOf = (user: string, database: string) => {
    const url = new URL(admin);
    url.username = user;
    url.pathname = `/${database}`;
    return url.href;
  };

  test.each([
    ['a user who may not create databases', () => urlOf('poor', 'poor'), 'CREATEDB'],
    ['a database that does not exist', () => urlOf('poor', 'nowhere'), 'createdb'],
    ['a user who does not exist', () => urlOf('nobody', 'poor'), 'Correct the user'],
    ['a database of another owner', () => urlOf('poor', 'foreign_database'), 'OWNER TO'],
    [
      'TLS that it does not have',
      () => `${urlOf('poor', 'poor')}?sslmode=verify-full`,
      'Remove `sslmode` from the URL',
    ],
  ])(
    '%s is explained at the start and by doctor',
    async (_, url, advice) => {
      const env = { ...freePorts, DATABASE_URL: url(), WEIR_DATA_DIR: join(folder, 'postgres') };
      const { code, stdout, stderr } = await weir(['serve'], env);
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('PostgreSQL rejected Weir: ');
      expect(stderr).toContain(advice);
      expect(stderr.trim().split('\n')).toHaveLength(1);

      const examined = await examine(env);
      expect(examined.code).toBe(1);
      const problems = [...examined.findings.values()].filter(({ level }) => level === 'problem');
      expect(problems.map((problem) => `${problem.message} ${problem.advice}`).join('\n')).toContain(advice);
    },
    30_000,
  );

  test('nothing is created by doctor in an empty database', async () => {
    const url = await postgres.freshUrl();
    const { code, findings } = await examine({ DATABASE_URL: url, WEIR_DATA_DIR: join(folder, 'postgres') });
    expect(code).toBe(0);
    expect(findings.get('store')?.message).toContain('empty');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'public' UNION SELECT datname FROM pg_database WHERE datname LIKE 'weir\\_default%'",
    );
    await client.end();
    expect(rows).toEqual([]);
  });
});
