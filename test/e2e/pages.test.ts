import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { setUp } from '../../scripts/setup.mjs';
import { CONFIG_CATALOG } from '../../src/app/config-catalog.ts';
import { loadConfig } from '../../src/config/load.ts';
import { cleanEnvironment, type Gateway, startGateway } from '../support/gateway.ts';
import { examplesOf, expectedOutput, missingPart, type PageExample } from '../support/page-examples.ts';
import { PROGRAM } from '../support/program.ts';
import { done } from './helpers/admin.ts';

/** Runs what the pages show, as a reader does: commands against a gateway, and configurations. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const SHELL = new Set(['sh', 'bash', 'console', 'shell']);
const isRun = ({ language, note }: PageExample) => SHELL.has(language) && !note?.startsWith('not run');
const hasCurl = spawnSync('curl', ['--version']).status === 0;

/** Runs a program to its end. */
function run(program: string, args: readonly string[], env: Record<string, string>, cwd: string) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (part: string) => {
        text[name] += part;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}

/** What a page's gateway needs, by page. */
const CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'docs/caching.md': { cache: {} },
  'docs/logs.md': { log: { files: {} } },
  'docs/multi-region.md': {
    region: 'eu-central-1',
    regions: [{ id: 'eu-central-1', address: 'https://eu.ai.example.com' }],
  },
};

/** Programs that stand for those of the pages: `npm run weir --` and `weir` of this checkout, `curl` that says the status. */
function writePrograms(folder: string): void {
  const weir = `exec '${setUp({ withDev: true })}' --no-env-file --no-install '${PROGRAM}' "$@"`;
  const npm = `while [ "$#" -gt 0 ]; do case "$1" in run|-s|weir|--) shift;; *) break;; esac; done\n${weir}`;
  const curl = `exec "$REAL_CURL" -sS -w '%{stderr}HTTP-STATUS %{http_code}\\n' "$@"`;
  mkdirSync(folder);
  for (const [name, text] of Object.entries({ weir, npm, curl })) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}

describe.skipIf(!hasCurl).each(PAGES.filter((page) => examplesOf(root, page).some(isRun)))('%s', (page) => {
  let gateway: Gateway;
  let home: string;
  const curl = spawnSync('sh', ['-c', 'command -v curl'], { encoding: 'utf8' }).stdout.trim();
  const extra: Record<string, string> = {};
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'weir-pages-'));
    writePrograms(join(home, 'bin'));
    mkdirSync(join(home, 'backups'));
    const config = CONFIGS[page] ?? {};
    gateway = await startGateway({ config });
    await prepare(page, gateway);
    if (page === 'README.md') {
      // Its commands check the configuration that it shows.
      const example = examplesOf(root, page).find(({ language }) => language === 'yaml');
      extra.WEIR_CONFIG = join(home, 'weir.yaml');
      extra.OPENAI_API_KEY = 'sample';
      writeFileSync(extra.WEIR_CONFIG, example?.text ?? '');
    }
  }, 60_000);
  afterAll(async () => {
    await gateway?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  /** The block with the addresses of this gateway, and without settings that the reader has to fill in. */
  const scriptOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => !/^export \w+=.*\.\.\./.test(line))
      .join('\n')
      .replaceAll('http://localhost:8080', gateway.url)
      .replaceAll('http://localhost:9090', gateway.metricsUrl)
      .replaceAll('/backups', join(home, 'backups'));

  const programs = examplesOf(root, page).filter(
    ({ language, text }) => language === 'ts' && /^import .* from '(openai|@anthropic-ai)/m.test(text),
  );
  if (programs.length > 0) {
    test.each(programs.map((example) => [example.place, example] as const))(
      'the program at %s runs and prints something',
      async (_place, { text }) => {
        // In the checkout, where its packages are found.
        const folder = mkdtempSync(join(root, 'node_modules/.weir-pages-'));
        try {
          writeFileSync(join(folder, 'example.ts'), scriptOf(text));
          const env = { ...cleanEnvironment(home), WEIR_API_KEY: gateway.adminKey };
          const { code, stdout, stderr } = await run(
            setUp({ withDev: true }),
            [join(folder, 'example.ts')],
            env,
            home,
          );
          expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
          expect(stdout.trim().length).toBeGreaterThan(10);
        } finally {
          rmSync(folder, { recursive: true });
        }
      },
      60_000,
    );
  }

  const examples = examplesOf(root, page);
  const shown = examples.map((example, index) => ({
    ...example,
    output: [
      ...expectedOutput(example),
      // Its numbers are those of another installation.
      ...(examples[index + 1]?.note === 'output'
        ? [(examples[index + 1]?.text ?? '').replaceAll(/\d+(?:\.\d+)?(?: [KM]iB)?/g, '...')]
        : []),
    ],
  }));
  test.each(shown.filter(isRun).map((example) => [example.place, example] as const))(
    'the commands at %s work and print what the page shows',
    async (_place, { text, output }) => {
      if (text.includes('$SESSION')) Object.assign(extra, await developerOf(gateway, 'acme'));
      const env = {
        ...cleanEnvironment(home),
        PATH: `${join(home, 'bin')}:${process.env.PATH ?? ''}`,
        ...{ REAL_CURL: curl, WEIR_DATA_DIR: gateway.dataDir, WEIR_CONFIG: gateway.configPath },
        ...{ WEIR_API_KEY: gateway.adminKey, WEIR_ADMIN_KEY: gateway.adminKey, WEIR_DETECT_ENGINES: '0' },
        ...extra,
      };
      const script = `set -eu\n${scriptOf(text)}`;
      const { code, stdout, stderr } = await run('bash', ['-o', 'pipefail', '-c', script], env, home);
      const statuses = [...stderr.matchAll(/^HTTP-STATUS (\d+)$/gm)].map(([, status]) => Number(status));
      const refusals = output.flatMap((line) => /^(4\d\d) (\w+): (.*)$/.exec(line)?.slice(1) ?? []);
      const failed = statuses.filter((status) => status >= 400);
      expect({ code, failed, stdout, stderr }).toEqual({
        ...{ code: 0, stdout, stderr },
        failed: refusals.length > 0 ? [Number(refusals[0])] : [],
      });
      const all = refusals.length > 0 ? refusals.slice(1) : output;
      const missing = all
        .map((line) => missingPart(stdout.replaceAll(home, ''), line))
        .filter((part) => part !== undefined);
      expect({ missing, stdout: missing.length > 0 ? stdout : '' }).toEqual({ missing: [], stdout: '' });
    },
    60_000,
  );
});

/** What a page takes for granted. */
async function prepare(page: string, gateway: Gateway): Promise<void> {
  const tenant = () => done(gateway, 'POST', '/tenants', { id: 'acme', tier: 'pro' });
  if (['docs/limits.md', 'docs/operations.md', 'docs/caching.md', 'docs/reports.md'].includes(page))
    await tenant();
}

/** A developer's session, and a key of theirs that has a limit. */
async function developerOf(gateway: Gateway, tenant: string) {
  const account = { email: 'jo@example.com', password: 'a-long-password-of-jo' };
  await done(gateway, 'POST', '/users', { ...account, name: 'Jo' });
  await done(gateway, 'POST', `/tenants/${tenant}/members`, { email: account.email, role: 'developer' });
  const signedIn = await fetch(`${gateway.url}/v1/auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(account),
  });
  const session = /weir_session=([^;]+)/.exec(signedIn.headers.get('set-cookie') ?? '')?.[1] ?? '';
  const limits = [{ of: 'requests', per: 'minute', max: 10 }];
  const made = await done(
    gateway,
    'POST',
    `/tenants/${tenant}/keys`,
    { name: 'own', limits },
    { key: session },
  );
  return { SESSION: session, KEY: String(made.id) };
}

test.skipIf(!hasCurl)(
  'the first start prints a command that works unchanged, with the admin key',
  async () => {
    const gateway = await startGateway({ env: { WEIR_ADMIN_KEY: undefined } });
    try {
      const [command] = await gateway.waitForOutput(/^ {2}curl .*$/m);
      const env = { ...cleanEnvironment(gateway.dataDir), PATH: process.env.PATH ?? '' };
      const { code, stdout } = await run('bash', ['-c', `${command} -sS`], env, gateway.dataDir);
      expect({ code, content: JSON.parse(stdout).choices?.[0]?.message?.content }).toEqual({
        ...{ code: 0, content: expect.stringContaining('simulator') },
      });
      const key = /Bearer (wr-[\w-]+)/.exec(command)?.[1] ?? 'none';
      expect(gateway.stdout().split(key)).toHaveLength(2);
    } finally {
      await gateway.stop();
    }
  },
  60_000,
);

const ALL = PAGES.flatMap((page) => examplesOf(root, page));

test('every command that is not run is sound shell', () => {
  const faults = ALL.filter((example) => SHELL.has(example.language) && !isRun(example)).flatMap(
    ({ place, text }) => {
      const { status, stderr } = spawnSync('bash', ['-n', '-c', text], { encoding: 'utf8' });
      return status === 0 ? [] : [`${place}: ${stderr}`];
    },
  );
  expect(faults).toEqual([]);
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!hasPython)('every Python example is sound', () => {
  const parses = 'import ast, sys; ast.parse(sys.stdin.read())';
  const examples = ALL.filter(({ language }) => language === 'python');
  expect(examples.length).toBeGreaterThan(0);
  const faults = examples.flatMap(({ place, text }) => {
    const { status, stderr } = spawnSync('python3', ['-c', parses], { input: text, encoding: 'utf8' });
    return status === 0 ? [] : [`${place}: ${stderr}`];
  });
  expect(faults).toEqual([]);
});

test('every JSON example is JSON: a value, one for each line, or members of an object', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      // The caller tries another reading.
      return false;
    }
  };
  const faults = ALL.filter(({ language }) => language === 'json')
    .filter(({ text }) => !isJson(text) && !isJson(`{${text}}`) && !text.split('\n').every(isJson))
    .map(({ place }) => place);
  expect(faults).toEqual([]);
});

test('every YAML example is a configuration that loads', () => {
  const faults = ALL.filter(({ language }) => language === 'yaml').flatMap(({ place, text, note }) => {
    if (note?.startsWith('not weir.yaml')) {
      parse(text);
      return [];
    }
    const names = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => [name, 'sample'] as const);
    const env = { OPENAI_API_KEY: 'sample', WEIR_CONFIG: 'weir.yaml', ...Object.fromEntries(names) };
    try {
      const readFile = () => new TextEncoder().encode(text);
      loadConfig({ env, cwd: root, catalog: CONFIG_CATALOG, readFile });
      return [];
    } catch (error) {
      return [`${place}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
  expect(faults).toEqual([]);
});
