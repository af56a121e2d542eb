import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageSizes } from './storage-sizes.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-sizes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('measures databases, the journal and other files, each file once', async () => {
  const journalFolder = join(folder, 'usage-journal');
  for (const name of ['tenants', 'usage-journal']) mkdirSync(join(folder, name));
  const write = (name: string, bytes: number) => writeFileSync(join(folder, name), 'x'.repeat(bytes));
  write('control.sqlite', 100);
  write('control.sqlite-wal', 20);
  write('tenants/weir_a.sqlite', 3);
  write('usage-journal/1.jsonl', 7);
  write('engines.json', 11);
  symlinkSync(folder, join(folder, 'loop'));
  let now = 0;
  const folders = [folder, join(folder, 'tenants'), join(folder, 'missing')];
  const sizes = new StorageSizes({ folders, journalFolder, now: () => now++ });
  expect(sizes.sizes.size).toBe(0);
  await sizes.measure();
  const expected = { databases: 123, usage_journal: 7, other: 11 };
  expect(Object.fromEntries(sizes.sizes)).toEqual(expected);
  // The next one is due when measuring was at most a hundredth of the time.
  write('engines.json', 12);
  await sizes.measure();
  expect(Object.fromEntries(sizes.sizes)).toEqual(expected);
  now = 1_000;
  await sizes.measure();
  expect(Object.fromEntries(sizes.sizes)).toEqual({ ...expected, other: 12 });
});
