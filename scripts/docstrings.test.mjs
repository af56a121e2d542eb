import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Folders whose contracts others build on: each exported function and class has a docstring. */
const FOLDERS = [
  ...['core', 'server', 'pipeline', 'dispatch', 'storage', 'events', 'providers'],
  ...['routing', 'limits', 'metering', 'tenancy', 'engines', 'cache'],
];

const src = join(import.meta.dirname, '..', 'src');
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(src, folder, name)),
);

/** @returns `path:line declaration` of each exported function and class without a docstring */
export function undocumented(text, name) {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    if (!/^export (?:abstract )?(?:async )?(?:function|class) /.test(line)) return [];
    return lines[index - 1]?.trimEnd().endsWith('*/') ? [] : [`${name}:${index + 1} ${line}`];
  });
}

test('a function without a docstring is found', () => {
  expect(undocumented('/** Adds. */\nexport function add() {}\n\nexport class Sum {}\n', 'sum.ts')).toEqual([
    'sum.ts:4 export class Sum {}',
  ]);
});

test('exported functions and classes have a docstring', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap((file) => undocumented(readFileSync(file, 'utf8'), relative(src, file)))).toEqual([]);
});
