import { afterAll, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-program-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const run = (program: string, more: Partial<Parameters<typeof runProgram>[0]> = {}) =>
  runProgram({
    program,
    args: ['a b'],
    env: { PATH: '/usr/bin:/bin', X: 'x' },
    timeoutMs: 20_000,
    maxBytes: 1_000,
    ...more,
  });

test('returns output and exit code; arguments are passed as they are', async () => {
  const program = script('echo', 'echo "$1 $X $HOME"; echo noise >&2; exit 3');
  expect(await run(program)).toEqual({ kind: 'exited', code: 3, output: 'a b x \n' });
});

test('a program that hangs is killed with its children, and one that writes without an end too', async () => {
  const hanging = script('hang', `(sleep 600; touch ${join(folder, 'late')}) & wait`);
  const start = performance.now();
  expect(await run(hanging, { timeoutMs: 50 })).toEqual({ kind: 'timeout' });
  expect(await run(script('flood', 'while :; do echo flood; done'))).toEqual({ kind: 'too_large' });
  expect(performance.now() - start).toBeLessThan(15_000);
  expect(existsSync(join(folder, 'late'))).toBe(false);
});

test('a child that keeps the output open does not hold the result up', async () => {
  expect(await run(script('orphan', 'sleep 600 & exit 0'), { timeoutMs: 50 })).toEqual({ kind: 'timeout' });
});

test('a program that cannot be started is reported', async () => {
  expect(await run(join(folder, 'missing'))).toMatchObject({ kind: 'failed' });
  const path = join(folder, 'no-program');
  writeFileSync(path, 'x');
  expect((await run(path)).kind).toBe('failed');
});
