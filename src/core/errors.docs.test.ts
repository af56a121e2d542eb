import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (...path: string[]) => readFileSync(join(import.meta.dir, ...path), 'utf8');

interface Row {
  readonly code: string;
  readonly status: string;
  readonly type: string;
  readonly retryable: boolean;
}

const source = read('errors.ts');
const rules = source.slice(source.indexOf('const RULES = {'), source.indexOf('} as const satisfies'));
const RULE = /(\w+): \{\s*status: (\d+),\s*type: '(\w+)',\s*retryable: (true|false),?\s*\}/g;
const inSource: Row[] = Array.from(
  rules.matchAll(RULE),
  ([, code = '', status = '', type = '', retryable]) => ({
    code,
    status,
    type,
    retryable: retryable === 'true',
  }),
);

const page = read('..', '..', 'docs', 'api.md');
const section = page.slice(page.indexOf('<!-- errors:begin'), page.indexOf('<!-- errors:end -->'));
const ROW = /^\| `(\w+)` \| (\d+) \| `(\w+)` \| (yes|no) \| \S.* \|$/gm;
const onPage: Row[] = Array.from(section.matchAll(ROW), ([, code = '', status = '', type = '', next]) => ({
  code,
  status,
  type,
  retryable: next === 'yes',
}));

describe('the error codes of docs/api.md', () => {
  test('every rule of the source is understood here', () => {
    expect(inSource.length).toBeGreaterThan(0);
    expect(inSource).toHaveLength(rules.match(/\bstatus:/g)?.length ?? 0);
  });

  test.each(inSource)('$code is described as it is', (row) => {
    expect(onPage.filter(({ code }) => code === row.code)).toEqual([row]);
  });

  test('no other code is described', () => {
    expect(onPage.map(({ code }) => code)).toEqual(inSource.map(({ code }) => code));
  });
});
