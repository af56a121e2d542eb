import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  exitCodeOf,
  loadChecks,
  renderMarkdown,
  renderTable,
  runCheck,
  selectChecks,
  summarize,
} from './verify-deploy/lib/checks.mjs';
import { CommandFailed, run } from './verify-deploy/lib/process.mjs';
import { Tools, ToolUnavailable } from './verify-deploy/lib/tools.mjs';

const folder = fileURLToPath(new URL('./verify-deploy/', import.meta.url));
const folders = [];
const temporary = () => {
  folders.push(mkdtempSync(join(tmpdir(), 'weir-verify-test-')));
  return folders.at(-1);
};
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});
const context = { root: '/', tools: undefined, print: () => undefined };
const check = (body) => ({ family: 'f', artefact: 'a', tool: 't', run: body });

test('each family has checks, and no two check the same artefact with the same tool', async () => {
  const checks = await loadChecks(folder);
  expect(checks.length).toBeGreaterThan(0);
  const names = checks.map(({ artefact, tool }) => `${artefact} (${tool})`);
  expect(names).toEqual([...new Set(names)]);
});

describe('loading', () => {
  test('rejects a file without checks, and a check without a tool', async () => {
    const none = temporary();
    writeFileSync(join(none, 'none.mjs'), 'export const other = [];');
    await expect(loadChecks(none)).rejects.toThrow('none.mjs exports no array "checks"');
    const partial = temporary();
    writeFileSync(join(partial, 'partial.mjs'), 'export const checks = [{ artefact: "a", run() {} }];');
    await expect(loadChecks(partial)).rejects.toThrow('"artefact", "tool" and "run"');
  });
});

test('selects by family, and by part of an artefact or tool', () => {
  const checks = [
    { family: 'image', artefact: 'Dockerfile', tool: 'hadolint' },
    { family: 'systemd', artefact: 'deploy/systemd/weir.service', tool: 'systemd-analyze' },
  ];
  const families = (names) => selectChecks(checks, names).map(({ family }) => family);
  expect(families([])).toEqual(['image', 'systemd']);
  expect(families(['image'])).toEqual(['image']);
  expect(families(['HADOLINT'])).toEqual(['image']);
  expect(families(['weir.service', 'dockerfile'])).toEqual(['image', 'systemd']);
  expect(families(['nothing'])).toEqual([]);
});

describe('outcomes', () => {
  test('an exception is a failure, and a missing tool leaves the artefact unproved', async () => {
    const failed = await runCheck(
      check(() => Promise.reject(new Error('rejected'))),
      context,
    );
    expect(failed).toMatchObject({ result: 'failed', detail: 'rejected', gap: '' });
    const missing = await runCheck(
      check(() => Promise.reject(new ToolUnavailable('x', 'no registry'))),
      context,
    );
    expect(missing).toMatchObject({ result: 'unproved', gap: 'x is not available: no registry' });
  });

  test('a check that returns nothing has failed', async () => {
    expect(
      await runCheck(
        check(async () => undefined),
        context,
      ),
    ).toMatchObject({ result: 'failed' });
    expect(
      await runCheck(
        check(async () => ({ result: 'ok' })),
        context,
      ),
    ).toMatchObject({ result: 'failed' });
  });

  test('temporary folders are deleted', async () => {
    let path;
    await runCheck(
      check(async (given) => {
        path = given.temporary();
        writeFileSync(join(path, 'file'), '');
        return { result: 'proved' };
      }),
      context,
    );
    expect(await Bun.file(join(path, 'file')).exists()).toBe(false);
  });

  test('only failures fail, and with --strict what is unproved too', () => {
    const proved = { result: 'proved' };
    const unproved = { result: 'unproved' };
    expect(exitCodeOf([proved, unproved], false)).toBe(0);
    expect(exitCodeOf([proved, unproved], true)).toBe(1);
    expect(exitCodeOf([proved, { result: 'failed' }], false)).toBe(1);
    expect(summarize([proved, proved, unproved])).toBe('2 proved, 0 failed, 1 unproved');
  });

  test('a table in Markdown has versions and details', () => {
    const proved = { artefact: 'a', tool: 't', result: 'proved', detail: 'x | y', gap: 'z' };
    const missing = { artefact: 'b', tool: 'u', versions: [], result: 'unproved', detail: '', gap: 'none' };
    const versions = ['example.com/a/cmd/t@v1.2.3', 'u==2.0', 'example.com/k/v5@v5.7.1', '@types/k6@2.3.0'];
    expect(
      renderMarkdown([{ ...proved, versions }, missing])
        .split('\n')
        .slice(2),
    ).toEqual([
      '| a | t | t v1.2.3, u 2.0, k v5.7.1, @types/k6 2.3.0 | x \\| y | z |',
      '| b | u |  | **unproved** | none |',
    ]);
  });

  test('the table has a row for each, and marks failures', () => {
    const table = renderTable([
      { artefact: 'Dockerfile', tool: 'hadolint', result: 'proved', gap: 'no engine' },
      { artefact: 'x', tool: 'y', result: 'failed', gap: '' },
    ]);
    expect(table.split('\n')).toEqual([
      'artefact    tool      result  not proved here',
      '----------  --------  ------  ---------------',
      'Dockerfile  hadolint  proved  no engine',
      'x           y         FAILED',
    ]);
  });
});

describe('programs', () => {
  const node = process.execPath;

  test('other exit codes throw with the end of the output', async () => {
    const failed = await run([node, '-e', 'console.error("the reason"); process.exit(3)']).catch(
      (error) => error,
    );
    expect(failed).toBeInstanceOf(CommandFailed);
    expect(failed.message).toContain('ended with 3');
    expect(failed.message).toContain('the reason');
    expect((await run([node, '-e', 'process.exit(3)'], { ok: [3] })).code).toBe(3);
  });

  test('a missing program and an exceeded time limit throw', async () => {
    await expect(run(['/nonexistent/program'])).rejects.toThrow('/nonexistent/program');
    await expect(run([node, '-e', 'setInterval(() => {}, 1000)'], { timeoutMs: 300 })).rejects.toThrow(
      'exceeded 0.3 s',
    );
  });
});

test('a tool is installed once, and an interrupted installation is repeated', async () => {
  const cache = temporary();
  const bin = temporary();
  // A stand-in for npm: it counts its runs, and fails the first time.
  const script = `#!/bin/sh
echo run >> ${bin}/runs
test $(wc -l < ${bin}/runs) -gt 1 || exit 1
mkdir -p "$3/node_modules/.bin" && echo > "$3/node_modules/.bin/tool"
`;
  writeFileSync(join(bin, 'npm'), script, { mode: 0o755 });
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  try {
    await expect(new Tools(cache, () => undefined).npm('tool@1.0.0', 'tool')).rejects.toThrow(
      ToolUnavailable,
    );
    const [first, second] = await Promise.all(
      [new Tools(cache, () => undefined)].flatMap((tools) => [
        tools.npm('tool@1.0.0', 'tool'),
        tools.npm('tool@1.0.0', 'tool'),
      ]),
    );
    expect(first).toBe(second);
    expect(await new Tools(cache, () => undefined).npm('tool@1.0.0', 'tool')).toBe(first);
    expect((await Bun.file(join(bin, 'runs')).text()).trim().split('\n')).toHaveLength(2);
  } finally {
    process.env.PATH = path;
  }
});
