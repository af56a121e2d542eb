import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children, openFilesLimit, withDeadline } from './children.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-bench-test-'));
const children = new Children(folder);
afterAll(async () => {
  await children.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

test('every line has come when a process has ended', async () => {
  for (let round = 0; round < 20; round++) {
    const lines: string[] = [];
    const child = await children.start({
      name: 'talker',
      command: ['sh', '-c', 'echo one; echo two; exit 3'],
      onLine: (line) => lines.push(line),
    });
    expect(await child.ended).toBe('exit code 3');
    expect(lines).toEqual(['one', 'two']);
  }
});

test('a process that ends instead of naming its port says why', async () => {
  const command = ['sh', '-c', 'echo broken >&2; exit 1'] as const;
  const failure = await children.startWithPort({ name: 'broken', command }).catch((error: unknown) => error);
  expect(String(failure)).toContain('broken ended (exit code 1): broken');
});

test('stop ends a process that waits for input', async () => {
  const child = await children.start({ name: 'cat', command: ['cat'] });
  await child.stop();
  expect(() => process.kill(child.pid, 0)).toThrow();
});

test('a deadline names what was waited for', async () => {
  const never = new Promise<void>(() => undefined);
  await expect(withDeadline(never, 1, 'nothing')).rejects.toThrow('for nothing');
  expect(await withDeadline(Promise.resolve(7), 1000, 'seven')).toBe(7);
  expect(openFilesLimit()).toBeGreaterThan(100);
});
