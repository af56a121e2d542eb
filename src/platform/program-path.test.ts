import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { currentProgram } from './program-path.ts';

test('the newest build is used, and another program as it is', () => {
  const root = mkdtempSync(join(tmpdir(), 'weir-program-'));
  const build = (name: string, seconds: number) => {
    const folder = join(root, 'dist', 'program', name);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'main.js');
    writeFileSync(path, '');
    utimesSync(path, seconds, seconds);
    return path;
  };
  try {
    const old = build('a', 1_000);
    const next = build('b', 2_000);
    // One that is being made.
    mkdirSync(join(root, 'dist', 'program', 'c.1'));
    expect(currentProgram(old)).toBe(next);
    expect(currentProgram(next)).toBe(next);
    expect(currentProgram('/opt/weir/src/main.ts')).toBe('/opt/weir/src/main.ts');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
