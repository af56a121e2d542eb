import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../support/gateway.ts';

/** Follows "Add an interceptor" of docs/architecture.md to the letter, in a copy of the checkout. */

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const recipe = page.slice(page.indexOf('### Add an interceptor'), page.indexOf('## Translation'));
const blocks = [...recipe.matchAll(/^```(?:ts|yaml)\n([\s\S]*?)^```$/gm)].map(([, text]) => text ?? '');
/** Blocks that begin with the path of the file to create. */
const files = blocks.flatMap((text) => {
  const path = /^\/\/ (src\/\S+)\n/.exec(text)?.[1];
  return path ? [{ path, text }] : [];
});
const line = blocks.find((text) => text.trim().startsWith('import(')) ?? '';
const configuration = blocks.find((text) => text.startsWith('interceptors:')) ?? '';

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'weir-recipe-'));
  for (const name of [
    'src',
    'scripts',
    'bin',
    'test/support',
    'docs',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'biome.json',
    '.gitignore',
  ]) {
    mkdirSync(join(copy, name, '..'), { recursive: true });
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const { path, text } of files) writeFileSync(join(copy, path), text);
  const order = join(copy, 'src/pipeline/order.ts');
  const before = readFileSync(order, 'utf8');
  const first = before.indexOf('  import(');
  writeFileSync(order, before.slice(0, first) + line + before.slice(first));
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(...args: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

test('the recipe is two files, one of them a test, and one line', () => {
  expect(files.map(({ path }) => path)).toEqual([
    'src/pipeline/interceptors/served-by.ts',
    'src/pipeline/interceptors/served-by.test.ts',
  ]);
  expect(line.trim().split('\n')).toHaveLength(1);
  const [interceptor] = files;
  expect(interceptor?.text.trim().split('\n').length).toBeLessThan(30);
});

test('its test passes, its types hold, and its format is ours', () => {
  const tested = run('test', './src/pipeline/interceptors/served-by.test.ts');
  expect([tested.status, tested.output]).toEqual([0, expect.stringContaining('1 pass')]);
  const formatted = run(
    join(root, 'node_modules/@biomejs/biome/bin/biome'),
    'ci',
    ...files.map(({ path }) => path),
  );
  expect([formatted.status, formatted.output]).toEqual([0, expect.any(String)]);
  // The rest of the tree is checked by a step of its own.
  const include = ['src/**/*.d.ts', 'test/support/**/*.d.ts', ...files.map(({ path }) => path)];
  const checked = { extends: './tsconfig.json', include };
  writeFileSync(join(copy, 'tsconfig.recipe.json'), JSON.stringify(checked));
  const typed = run(join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.recipe.json');
  expect([typed.status, typed.output]).toEqual([0, '']);
}, 240_000);

test('its configuration is documented and checked', () => {
  expect(run('scripts/docs.ts').status).toBe(0);
  const documented = readFileSync(join(copy, 'docs/configuration.md'), 'utf8');
  expect(documented).toContain('interceptors.served_by');
  expect(documented).toContain('The name of this deployment.');
  const file = join(copy, 'wrong.yaml');
  writeFileSync(file, 'interceptors:\n  served_by: { nam: east }\n');
  const checked = run('src/main.ts', 'config', 'check', file);
  expect(checked.status).not.toBe(0);
  expect(checked.output).toMatch(/wrong\.yaml:2.*served_by/);
}, 240_000);

test('it works in a running gateway', async () => {
  const gateway = await startGateway({ config: configuration, program: join(copy, 'src/main.ts') });
  try {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.adminKey}` },
      body: JSON.stringify({ model: 'simulator', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    expect([response.status, response.headers.get('x-served-by')]).toEqual([200, 'east']);
  } finally {
    await gateway.stop();
  }
}, 240_000);
