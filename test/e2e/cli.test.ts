import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };
import { freePort } from '../support/free-port.ts';
import { startGateway } from '../support/gateway.ts';
import { type MockUpstream, refusedUrl, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { type CommandResult, mockConfig, provider, UPSTREAM_KEY, weir } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
const upstreams: MockUpstream[] = [];
let free: { SERVER_PORT: string; METRICS_PORT: string; SERVER_HOST: string };

beforeAll(async () => {
  free = {
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
  };
});

afterEach(async () => {
  for (const upstream of upstreams.splice(0)) await upstream.close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: string | Record<string, unknown>): string {
  files += 1;
  const path = join(folder, `weir-${files}.yaml`);
  writeFileSync(path, typeof content === 'string' ? content : stringify(content));
  return path;
}

async function upstream(): Promise<MockUpstream> {
  const started = await startMockUpstream();
  upstreams.push(started);
  return started;
}

/** No command ever ends in a stack. */
function clean(result: CommandResult): CommandResult {
  expect(result.stdout + result.stderr).not.toMatch(/\n\s+at |\.ts:\d+/);
  return result;
}

describe('the program', () => {
  test('--help names every command', async () => {
    const { code, stdout } = clean(await weir(['--help']));
    expect(code).toBe(0);
    for (const command of ['serve', 'doctor', 'keys', 'config']) expect(stdout).toContain(`  ${command}`);
    const keys = clean(await weir(['keys', '--help']));
    expect(keys.code).toBe(0);
    for (const command of ['create', 'list', 'revoke']) expect(keys.stdout).toContain(`  ${command}`);
  });

  test('--version prints the version and nothing else', async () => {
    expect(await weir(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test.each([
    ['an unknown command', ['srve'], 'serve'],
    ['an unknown option', ['serve', '--fast'], '--fast'],
    ['a missing argument', ['keys', 'revoke'], 'id-or-name'],
    ['an argument too many', ['config', 'schema', 'x'], 'argument'],
  ])('%s is a usage error', async (_, args, named) => {
    const { code, stdout, stderr } = clean(await weir(args));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(named);
  });
});

describe('config', () => {
  test('check accepts a good file, and the environment alone', async () => {
    const path = file(mockConfig('http://127.0.0.1:1'));
    const named = clean(await weir(['config', 'check', path]));
    expect(named).toEqual({ code: 0, stdout: `${path} is valid.\n`, stderr: '' });
    const byVariable = clean(await weir(['config', 'check', '--json'], { WEIR_CONFIG: path }));
    expect(JSON.parse(byVariable.stdout)).toEqual({ ok: true, file: path, issues: [], warnings: [] });
    expect((await weir(['config', 'check'])).code).toBe(0);
  });

  test('check names file, line and key of every fault, and no secret', async () => {
    const path = file(
      `server:\n  prot: 80\nproviders:\n  - id: a\n    kind: opnai\n    api_key: ${UPSTREAM_KEY}\n    base_url: \${NOT_SET}\n`,
    );
    const words = clean(await weir(['config', 'check', path]));
    expect([words.code, words.stdout]).toEqual([1, '']);
    expect(words.stderr).toContain(`${path}:2:3  server.prot: unknown key`);
    expect(words.stderr).toContain(`${path}:5:11  providers[0].kind: unknown value`);
    expect(words.stderr).toContain('NOT_SET');
    expect(words.stderr).not.toContain(UPSTREAM_KEY);
    const result = clean(await weir(['config', 'check', path, '--json']));
    expect(result.code).toBe(1);
    const report: { ok: boolean; issues: { line: number; path: string }[] } = JSON.parse(result.stdout);
    expect(report.ok).toBe(false);
    expect(report.issues.map(({ line, path: key }) => `${line} ${key}`)).toEqual([
      '2 server.prot',
      '5 providers[0].kind',
      '7 providers[0].base_url',
    ]);
    expect(result.stdout).not.toContain(UPSTREAM_KEY);
  });

  test('check of a file that is not there', async () => {
    const { code, stderr } = clean(await weir(['config', 'check', join(folder, 'nowhere.yaml')]));
    expect(code).toBe(1);
    expect(stderr).toContain('nowhere.yaml');
  });

  test('schema prints a JSON Schema that describes the file', async () => {
    const { code, stdout } = clean(await weir(['config', 'schema']));
    expect(code).toBe(0);
    const schema: {
      $schema: string;
      type: string;
      additionalProperties: boolean;
      properties: Record<string, { description?: string }>;
    } = JSON.parse(stdout);
    expect(schema.$schema).toMatch(/^https?:\/\/json-schema\.org\//);
    expect(schema.type).toBe('object');
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(schema.properties).sort()).toEqual(
      [
        'auth',
        'alerts',
        'async',
        'batches',
        'billing',
        'exports',
        'files',
        'mail',
        'secrets',
        'cache',
        'prompt_caching',
        'default_model',
        'engines',
        'environment_providers',
        'guardrails',
        'interceptors',
        'limits',
        'log',
        'media',
        'metrics',
        'models',
        'moderation',
        'plugins',
        'prices',
        'providers',
        'region',
        'region_routing',
        'regions',
        'routing',
        'server',
        'simulator',
        'storage',
        'streams',
        'tracing',
        'upstream',
      ].sort(),
    );
    for (const { description } of Object.values(schema.properties)) expect(description).toBeString();
  });
});

interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'problem';
  readonly message: string;
  readonly advice?: string;
}

describe('doctor', () => {
  async function examine(
    config: Record<string, unknown>,
    env: Record<string, string> = {},
  ): Promise<{ code: number | null; ok: boolean; findings: Map<string, Finding>; stdout: string }> {
    const result = clean(await weir(['doctor', '--json'], { ...free, WEIR_CONFIG: file(config), ...env }));
    expect(result.stderr).toBe('');
    const { ok, findings }: { ok: boolean; findings: Finding[] } = JSON.parse(result.stdout);
    return {
      code: result.code,
      ok,
      findings: new Map(findings.map((finding) => [finding.check, finding])),
      stdout: result.stdout,
    };
  }

  test('a sound configuration', async () => {
    const mock = await upstream();
    mock.respondAlways(json({ object: 'list', data: [{ id: 'upstream-chat' }] }));
    const { code, ok, findings } = await examine(mockConfig(mock.url));
    expect([code, ok]).toEqual([0, true]);
    for (const check of ['config', 'store', 'port', 'metrics port', 'provider mock', 'provider simulator']) {
      expect([check, findings.get(check)?.level]).toEqual([check, 'ok']);
    }
    expect(mock.requests[0]?.target).toBe('/v1/models');
    expect(mock.requests[0]?.headers.get('authorization')).toBe(`Bearer ${UPSTREAM_KEY}`);

    const words = clean(await weir(['doctor'], { ...free, WEIR_CONFIG: file(mockConfig(mock.url)) }));
    expect(words.code).toBe(0);
    expect(words.stdout).toContain('0 problems');
    expect(words.stdout).toContain('Weir can start.');
  });

  test('providers that are out of reach, refuse the key, or lack a model', async () => {
    const [refusing, poor, odd] = [await upstream(), await upstream(), await upstream()];
    refusing.respondAlways(
      status(401, { error: { message: `Bad key ${UPSTREAM_KEY}`, code: 'invalid_api_key' } }),
    );
    poor.respondAlways(json({ object: 'list', data: [{ id: 'something-else' }] }));
    odd.respondAlways(json({ hello: 'world' }));
    const { code, ok, findings, stdout } = await examine({
      providers: [
        provider({ id: 'closed', url: await refusedUrl() }),
        provider({ id: 'refusing', url: refusing.url }),
        provider({ id: 'poor', url: poor.url }),
        provider({ id: 'odd', url: odd.url }),
      ],
      models: [{ id: 'chat', targets: [{ provider: 'poor', model: 'upstream-chat' }] }],
    });
    expect([code, ok]).toEqual([1, false]);
    expect(findings.get('provider closed')).toMatchObject({ level: 'problem' });
    expect(findings.get('provider closed')?.message).toContain('could not be reached');
    expect(findings.get('provider refusing')).toMatchObject({ level: 'problem' });
    expect(findings.get('provider refusing')?.message).toContain('rejected');
    expect(findings.get('provider odd')).toMatchObject({ level: 'problem' });
    expect(findings.get('provider poor')).toMatchObject({ level: 'warning' });
    expect(findings.get('provider poor')?.message).toContain('upstream-chat');
    expect(stdout).not.toContain(UPSTREAM_KEY);
    for (const finding of findings.values()) {
      if (finding.level === 'problem') expect(finding.advice).toBeString();
    }
  });

  test('a port that is taken, a folder that cannot be written, and a file that is wrong', async () => {
    const mock = await upstream();
    const taken = await examine({ providers: [] }, { SERVER_PORT: String(mock.port) });
    expect(taken.code).toBe(1);
    expect(taken.findings.get('port')).toMatchObject({ level: 'problem' });
    expect(taken.findings.get('port')?.message).toContain(`127.0.0.1:${mock.port}`);
    expect(taken.findings.get('port')?.advice).toContain('SERVER_PORT');

    const blocked = await examine({ providers: [] }, { WEIR_DATA_DIR: join(file('not: a folder'), 'data') });
    expect(blocked.code).toBe(1);
    expect(blocked.findings.get('store')).toMatchObject({ level: 'problem' });

    const wrong = await examine({ modles: [] });
    expect(wrong.code).toBe(1);
    expect(wrong.findings.get('config')?.message).toContain('unknown key "modles"');
    const words = clean(await weir(['doctor'], { ...free, WEIR_CONFIG: file({ modles: [] }) }));
    expect(words.code).toBe(1);
    expect(words.stdout).toContain('FAIL');
  });
});

describe('serve', () => {
  test('says so when its port is taken', async () => {
    const mock = await upstream();
    const result = clean(await weir(['serve'], { ...free, SERVER_PORT: String(mock.port) }));
    expect(result.code).toBe(1);
    expect(result.stderr).toBe(
      `Cannot listen on 127.0.0.1:${mock.port}: the port is in use. Set SERVER_PORT to another port.\n`,
    );
    expect(mock.acceptedConnections()).toBe(0);
  });

  test('runs without its metrics port, and says so', async () => {
    const mock = await upstream();
    const gateway = await startGateway({
      config: mockConfig(mock.url),
      env: { METRICS_PORT: String(mock.port) },
    });
    try {
      await gateway.waitForOutput(
        new RegExp(`"level":"warn"[^\\n]*127\\.0\\.0\\.1:${mock.port}[^\\n]*METRICS_PORT`),
      );
      const page = await fetch(`${gateway.url}/metrics`, {
        headers: { authorization: `Bearer ${gateway.adminKey}` },
      });
      expect(await page.text()).toContain('llm_requests_in_flight 0');
    } finally {
      await gateway.stop();
    }
  });

  test('does not start with a configuration that is wrong', async () => {
    const path = file({
      models: [{ id: 'a', targets: [{ provider: 'nobody', model: 'x' }] }],
      providers: [],
    });
    const result = clean(await weir(['serve'], { ...free, WEIR_CONFIG: path }));
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`${path}:`);
    expect(result.stderr).toContain('nobody');
  });

  test('does not start on a store that is no database', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    writeFileSync(
      join(dataDir, 'control.sqlite'),
      'this is not a database, and long enough to tell'.repeat(50),
    );
    const result = clean(await weir(['serve'], { ...free, WEIR_DATA_DIR: dataDir }));
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('control.sqlite');
  });
});
