import { afterEach, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUp } from '../../scripts/setup.mjs';
import { PART_KINDS } from '../../src/plugins/manifest.ts';
import { cleanEnvironment, startGateway } from '../support/gateway.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { PROGRAM } from '../support/program.ts';
import { chat, completion, mockConfig, post } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-plugin-commands-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function weir(folder: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    setUp({ withDev: true }),
    ['--no-env-file', '--no-install', PROGRAM, ...args],
    { cwd: folder, env: cleanEnvironment(folder), encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe.each([...PART_KINDS])('weir plugins new --kind %s', (kind) => {
  test('writes a plugin that passes its test, the compiler and the check', () => {
    const folder = freshFolder();
    const created = weir(folder, 'plugins', 'new', 'my-plugin', '--kind', kind);
    expect(created).toMatchObject({ status: 0, stderr: '' });
    expect(created.stdout).toContain('weir plugins test my-plugin');

    const tested = weir(folder, 'plugins', 'test', 'my-plugin');
    expect(`${tested.stdout}${tested.stderr}`).toMatch(/[1-9] pass\n\s+0 fail/);
    expect(tested.status).toBe(0);

    writeFileSync(join(folder, 'weir.yaml'), 'plugins: [{ module: ./my-plugin/index.ts }]\n');
    const checked = weir(folder, 'plugins', 'check');
    expect(checked.stdout).toContain(`my-plugin: ok, my-plugin 0.1.0: ${kind}`);
    expect(checked.status).toBe(0);

    mkdirSync(join(folder, 'node_modules'));
    const types = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        '-p',
        'my-plugin',
        '--types',
        'node',
        '--typeRoots',
        join(root, 'node_modules/@types'),
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(types.stdout).toBe('');
  });
});

test('weir plugins new refuses names and folders that it cannot use', () => {
  const folder = freshFolder();
  expect(weir(folder, 'plugins', 'new', 'My_Plugin').stderr).toContain('cannot be the name of a plugin');
  expect(weir(folder, 'plugins', 'new', 'twice').status).toBe(0);
  expect(weir(folder, 'plugins', 'new', 'twice')).toMatchObject({ status: 1 });
  expect(weir(folder, 'plugins', 'new', 'other', '--kind', 'nothing').status).toBe(2);
});

test('weir plugins check names each fault, and list shows every plugin', () => {
  const folder = freshFolder();
  weir(folder, 'plugins', 'new', 'good');
  writeFileSync(join(folder, 'bad.mjs'), 'throw new Error("at the top");');
  writeFileSync(join(folder, 'old.mjs'), 'export default { apiVersion: 0 };');
  writeFileSync(
    join(folder, 'weir.yaml'),
    `plugins:
  - { module: ./good/index.ts, config: { word: 7 } }
  - { module: ./bad.mjs }
  - { module: ./old.mjs }
  - { module: no-such-package }
  - { module: ./good, id: off, enabled: false }
`,
  );
  const { status, stdout } = weir(folder, 'plugins', 'check');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^good: config\.word: /m);
  expect(stdout).toMatch(/^bad: at the top$/m);
  expect(stdout).toMatch(/^old: module: "apiVersion" is 0; this gateway supports 1$/m);
  expect(stdout).toMatch(/^no-such-package: module: there is no module "no-such-package"/m);
  expect(stdout).toMatch(/^off: disabled/m);
  expect(stdout).toContain('1 plugins are ok, 4 have faults.');
  const listed: unknown = JSON.parse(weir(folder, 'plugins', 'list', '--json').stdout);
  expect(listed).toMatchObject([
    { id: 'good' },
    { id: 'bad' },
    { id: 'old' },
    {},
    { id: 'off', enabled: false },
  ]);
});

test('a plugin written from docs/plugins.md alone, in a fresh folder, works', async () => {
  const page = readFileSync(join(root, 'docs/plugins.md'), 'utf8');
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language, text = '']) => ({
    language,
    text,
  }));
  const source = blocks.find(({ language }) => language === 'ts')?.text ?? '';
  const yaml = blocks.find(({ language }) => language === 'yaml')?.text ?? '';
  const folder = freshFolder();
  const path = /^\/\/ (\S+)$/m.exec(source)?.[1] ?? '';
  mkdirSync(join(folder, path, '..'));
  writeFileSync(join(folder, path), source);
  const mock = await startMockUpstream();
  closers.push(() => mock.close());
  mock.respondAlways(completion('hello'));
  const file = join(folder, 'weir.yaml');
  const { stringify } = await import('yaml');
  writeFileSync(file, `${stringify(mockConfig(mock.url))}${yaml}`);
  const gateway = await startGateway({ args: ['--config', file] });
  closers.push(() => gateway.stop());
  expect(await (await post(gateway, chat())).text()).toContain('HELLO!!');
});
