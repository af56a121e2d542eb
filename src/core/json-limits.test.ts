import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from './errors.ts';
import {
  assertJsonLimits,
  findJsonExcess,
  jsonPath,
  MAX_JSON_DEPTH,
  MAX_JSON_NAMES,
  MAX_JSON_VALUES,
  parseShallowJson,
} from './json-limits.ts';

const lists = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const faultOf = (text: string) => {
  try {
    assertJsonLimits(text);
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return { code: error.code, param: error.param, text: error.message };
    throw error;
  }
};

describe('depth', () => {
  test('is counted in lists and objects, not in texts', () => {
    expect(faultOf(`{"a":${lists(MAX_JSON_DEPTH - 1)}}`)).toBeUndefined();
    expect(faultOf(`{"a":${lists(MAX_JSON_DEPTH)}}`)).toMatchObject({ code: 'invalid_request' });
    expect(faultOf(JSON.stringify({ a: lists(1_000), b: `\\"${lists(1_000)}` }))).toBeUndefined();
    expect(faultOf(`[${Array.from({ length: 500 }, () => '{"a":[1]}').join(',')}]`)).toBeUndefined();
  });

  test('is named with the beginning of its path', () => {
    const body = `{"n":[1,2],"tools":[{"a":1},{"function":{"parameters":{"b c":${lists(200)}}}}]}`;
    expect(faultOf(body)).toEqual({
      code: 'invalid_request',
      param: 'tools[1].function.parameters.b c[0]...',
      text: 'The request body is nested too deeply at "tools[1].function.parameters.b c[0]...": at most 128 levels of lists and objects are accepted.',
    });
  });

  test('is found in texts that are not JSON', () => {
    for (const text of ['['.repeat(1_000), '{"a":'.repeat(1_000), '{'.repeat(1_000), '[",'.repeat(1_000)]) {
      expect(() => findJsonExcess(text)).not.toThrow();
    }
    expect(findJsonExcess('['.repeat(1_000))).toMatchObject({ limit: 'depth' });
  });
});

test('values are items and members', () => {
  const list = (count: number) => `{"a":[${'1,'.repeat(count - 1)}1]}`;
  expect(faultOf(list(MAX_JSON_VALUES - 2))).toBeUndefined();
  expect(faultOf(list(MAX_JSON_VALUES + 2))).toMatchObject({
    param: expect.stringMatching(/^a\[\d+\]$/),
    text: expect.stringContaining(`at most ${MAX_JSON_VALUES} items and members`),
  });
});

test('names are counted once, in all objects together', () => {
  const object = (count: number) =>
    `{${Array.from({ length: count }, (_, index) => `"name ${index}" : 1`).join(',')}}`;
  expect(faultOf(object(MAX_JSON_NAMES))).toBeUndefined();
  expect(faultOf(object(MAX_JSON_NAMES + 1))).toMatchObject({ param: `name ${MAX_JSON_NAMES}` });
  const many = Array.from({ length: MAX_JSON_NAMES + 1 }, (_, index) => `{"name ${index}":1}`).join(',');
  expect(faultOf(`{"a":[${many}]}`)).toMatchObject({
    param: `a[${MAX_JSON_NAMES - 1}].name ${MAX_JSON_NAMES - 1}`,
  });
  const same = Array.from({ length: 3 * MAX_JSON_NAMES }, () => '{"role":"user","content":"x"}').join(',');
  expect(faultOf(`[${same}]`)).toBeUndefined();
});

test('no text within the limits is rejected, and every path leads to its value', () => {
  const marked = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify({ a: [value, 'MARK'] }));
  fc.assert(
    fc.property(marked, (text) => {
      expect(findJsonExcess(text.padEnd(200))).toBeUndefined();
      expect(jsonPath(text, text.lastIndexOf('"MARK"'))).toBe('a[1]');
    }),
  );
});

test('a nested text is parsed if it is JSON, and not too deep', () => {
  expect(parseShallowJson('{"a":[1]}')).toEqual({ a: [1] });
  expect(parseShallowJson('nope')).toBeUndefined();
  expect(parseShallowJson(lists(1_000))).toBeUndefined();
});
