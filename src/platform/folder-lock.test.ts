import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderHolder, isFolderLocked, lockFolder } from './folder-lock.ts';

const folders: string[] = [];
const children: Bun.Subprocess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-lock-'));
  folders.push(folder);
  return folder;
}

const HOLDER = { pid: 42, startedAt: '2026-01-02T03:04:05.000Z', url: 'http://localhost:8080' };

test('a folder has one holder at a time, which describes itself', async () => {
  const folder = join(newFolder(), 'data');
  const first = await lockFolder(folder);
  first?.describe(HOLDER);
  expect(isFolderLocked(folder)).toBe(true);
  expect(await lockFolder(folder)).toBeUndefined();
  expect(folderHolder(folder)).toEqual(HOLDER);
  first?.release();
  expect(isFolderLocked(folder)).toBe(false);
  expect(folderHolder(folder)).toBeUndefined();
  const second = await lockFolder(folder);
  expect(second).toBeDefined();
  second?.release();
});

test('a lock of a process that was killed is free', async () => {
  const folder = newFolder();
  const module = JSON.stringify(join(import.meta.dir, 'folder-lock.ts'));
  const child = Bun.spawn(
    [
      process.execPath,
      '-e',
      `const { lockFolder } = await import(${module});
       const lock = await lockFolder(${JSON.stringify(folder)});
       lock.describe(${JSON.stringify(HOLDER)});
       console.log('locked');
       setInterval(() => {}, 1000);`,
    ],
    { stdout: 'pipe', stderr: 'ignore' },
  );
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe('locked\n');
  expect(isFolderLocked(folder)).toBe(true);
  expect(await lockFolder(folder)).toBeUndefined();
  child.kill('SIGKILL');
  await child.exited;
  expect(isFolderLocked(folder)).toBe(false);
  const lock = await lockFolder(folder);
  expect(lock).toBeDefined();
  // The description of the process that is gone is gone, too.
  expect(folderHolder(folder)).toBeUndefined();
  lock?.release();
});

test('checking a lock creates nothing', () => {
  const folder = newFolder();
  expect(isFolderLocked(folder)).toBe(false);
  expect(isFolderLocked(join(folder, 'missing'))).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
  expect(existsSync(join(folder, 'missing'))).toBe(false);
});

test('an unreadable description is no description', () => {
  const folder = newFolder();
  for (const text of ['', '{"pid"', '{"pid": "1"}', '[]', 'null']) {
    writeFileSync(join(folder, 'gateway.json'), text);
    expect(folderHolder(folder)).toBeUndefined();
  }
});
