import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuQuota } from './cpu-quota.ts';

test('the limit of a container is rounded up to whole cores', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-quota-'));
  const of = (text: string) => {
    const file = join(folder, 'cpu.max');
    writeFileSync(file, text);
    return cpuQuota(file);
  };
  try {
    expect(of('200000 100000\n')).toBe(2);
    expect(of('150000 100000\n')).toBe(2);
    expect(of('max 100000\n')).toBeUndefined();
    expect(of('')).toBeUndefined();
    expect(cpuQuota(join(folder, 'absent'))).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
