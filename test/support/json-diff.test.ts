import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { assertEqualJson, diffJson, equalJson } from './json-diff.ts';

describe('diffJson', () => {
  test('names the path, what was there and what should have been', () => {
    expect(
      diffJson(
        { id: 'a', choices: [{ delta: { content: 'x' } }], extra: 1, list: [1, 2] },
        { id: 'b', choices: [{ delta: { content: 'y' } }], gone: null, list: [1] },
      ),
    ).toEqual([
      'id: got "a", expected "b"',
      'choices.0.delta.content: got "x", expected "y"',
      'gone: missing, expected null',
      'list.1: unexpected 2',
      'extra: unexpected 1',
    ]);
  });

  test('kinds that look alike are different', () => {
    for (const [left, right] of [
      [null, undefined],
      [null, {}],
      [[], {}],
      [0, '0'],
      [0, false],
      ['', null],
    ]) {
      expect(diffJson({ at: left }, { at: right })).toHaveLength(1);
    }
    expect(diffJson(1, 2)).toEqual(['(top): got 1, expected 2']);
  });

  test('the order of keys, undefined for absent and the sign of zero do not matter', () => {
    expect(equalJson({ a: 1, b: undefined, c: -0 }, { c: 0, a: 1 })).toBe(true);
    expect(equalJson({}, { toString: undefined })).toBe(true);
    expect(equalJson({}, { toString: 1 })).toBe(false);
  });

  test('ignored paths: exact, one segment, any number of segments', () => {
    const actual = { id: 1, choices: [{ id: 2, deep: { id: 3 } }, { id: 4 }] };
    const expected = { id: 0, choices: [{ id: 0, deep: { id: 0 } }, { id: 0 }] };
    expect(diffJson(actual, expected, { ignore: ['id'] })).toHaveLength(3);
    expect(diffJson(actual, expected, { ignore: ['choices.*.id'] })).toHaveLength(2);
    expect(diffJson(actual, expected, { ignore: ['choices.1.id'] })).toHaveLength(3);
    expect(diffJson(actual, expected, { ignore: ['**.id'] })).toEqual([]);
    expect(diffJson(actual, expected, { ignore: ['id', 'choices.**'] })).toEqual([]);
  });

  test('a JSON value equals its copy, and no value equals it in a list of another length', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(equalJson(value, structuredClone(value))).toBe(true);
        expect(equalJson([value], [value, value])).toBe(false);
      }),
    );
  });
});

test('assertEqualJson throws the whole list, cut at forty', () => {
  expect(() => assertEqualJson({ a: 1 }, { a: 1 })).not.toThrow();
  expect(() => assertEqualJson({ a: 1 }, { a: 2 })).toThrow('a: got 1, expected 2');
  expect(() => assertEqualJson(Array(50).fill(1), Array(50).fill(2))).toThrow('... and 10 more');
});
