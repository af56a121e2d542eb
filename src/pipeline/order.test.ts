import { expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { INTERCEPTORS } from './order.ts';

/** docs/architecture.md is the map of the code for newcomers: it says the same as the tree. */

const root = join(import.meta.dir, '..', '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const section = (title: string) => page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';

test('the page draws the interceptors in their order', () => {
  const chain = /subgraph chain[^\n]*\n(.*)\n/.exec(page)?.[1] ?? '';
  expect([...chain.matchAll(/\w+\[(\w+)\]/g)].map(([, name]) => name)).toEqual(
    INTERCEPTORS.map(({ name }) => name),
  );
});

test('a chat request can be followed by reading at most twelve files, which exist', () => {
  const rows = section('Follow a chat request')
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line));
  const files = rows.flatMap((row) =>
    Array.from(row.matchAll(/\]\(\.\.\/(src\/[^)]+)\)/g), ([, path]) => path),
  );
  expect(files.length).toBeGreaterThan(5);
  expect(files.length).toBeLessThanOrEqual(12);
  expect(files.filter((path) => !existsSync(join(root, path ?? '')))).toEqual([]);
});

test('each folder of src is in one layer', () => {
  const rows = section('Layers')
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line));
  const listed = rows.flatMap((row) =>
    Array.from((row.split('|')[2] ?? '').matchAll(/`(\w+)`/g), ([, name]) => name),
  );
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).flatMap((one) =>
    one.isDirectory() ? [one.name] : [],
  );
  expect(listed.toSorted()).toEqual(folders.toSorted());
});
