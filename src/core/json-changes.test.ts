import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { writeChanges } from './json-changes.ts';

/** Replaces a text everywhere; parts without it are the same objects. */
function replaced(value: unknown, from: string, to: string): unknown {
  if (typeof value === 'string') return value.includes(from) ? value.replaceAll(from, to) : value;
  if (Array.isArray(value)) {
    const list = value.map((item) => replaced(item, from, to));
    return list.every((item, index) => item === value[index]) ? value : list;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, replaced(item, from, to)] as const);
  return entries.every(([, item], index) => item === Object.values(value)[index])
    ? value
    : Object.fromEntries(entries);
}

describe('changes in JSON text', () => {
  test('leave every other byte as it is', () => {
    const text =
      ' { "n" : 12345678901234567890, "list":[1.50, {"a":"x secret","b":-0.0e1 } ,"\\u00e9"], "e":{},"s":"\\"secret\\"" } ';
    const before: unknown = JSON.parse(text);
    expect(writeChanges(text, before, replaced(before, 'secret', '[S]'))).toBe(
      text.replaceAll('secret', '[S]'),
    );
    expect(writeChanges(text, before, before)).toBe(text);
  });

  test('hold for every occurrence of a key', () => {
    const text = '{"a":"first secret","b":1,"a":"last secret"}';
    const before: unknown = JSON.parse(text);
    expect(writeChanges(text, before, replaced(before, 'secret', 'S'))).toBe(
      '{"a":"last S","b":1,"a":"last S"}',
    );
  });

  test('have the value that is wanted, for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        const before: unknown = JSON.parse(text);
        const after = replaced(before, 'a', '"\n');
        expect(JSON.parse(writeChanges(text, before, after))).toEqual(after);
      }),
    );
  });
});
