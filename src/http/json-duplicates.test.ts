import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { GatewayError } from '../core/errors.ts';
import { assertUniqueKeys } from './json-duplicates.ts';

function faultOf(text: string): GatewayError | undefined {
  try {
    assertUniqueKeys(text, JSON.parse(text));
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

describe('duplicate keys', () => {
  test('are rejected wherever they are, and named', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['{"max_tokens":50000,"max_tokens":1}', 'max_tokens'],
      ['{"thinking":{"budget_tokens":1 , "budget_tokens" :2}}', 'thinking.budget_tokens'],
      ['{"a":[1,{"b":{"c":1,"d":2,"c":3}}]}', 'a.b.c'],
      ['{"n":1,"m":{"n":1},"n":100}', 'n'],
      ['{"":1,"":2}', ''],
      ['{"__proto__":1,"__proto__":2}', '__proto__'],
      ['{"1":1,"0":2,"1":3}', '1'],
    ];
    for (const [text, param] of cases) {
      expect(faultOf(text)).toMatchObject({ code: 'invalid_request', status: 400, param });
    }
    expect(faultOf('{"thinking":{"budget_tokens":1,"budget_tokens":2}}')?.message).toBe(
      'The request body has the key "budget_tokens" twice in "thinking". Send each key once.',
    );
  });

  test('are recognised in other spellings', () => {
    expect(faultOf('{"max_tokens":50000,"max\\u005ftokens":1}')).toMatchObject({ param: 'max_tokens' });
    expect(faultOf('{"\\u006e":100,"n":1}')).toMatchObject({ param: 'n' });
    expect(faultOf('{"a\\/b":1,"a/b":2}')).toMatchObject({ param: 'a/b' });
  });

  test('are not found where there are none', () => {
    const texts = [
      '{}',
      '{"a":"\\"b\\":1","b":"{\\"b\\":1,\\"b\\":2}"}',
      '{"a":{"b":1},"c":{"b":1},"d":[{"b":1},{"b":1}]}',
      '{"a":"b","b":"a","c":["a","a"]}',
      '{"A":1,"a":2,"a ":3,"\\\\":4}',
      '{"a\\\\":":","b":"\\\\"}',
      '{"toString":1,"constructor":{"__proto__":{}}}',
      '{ "a" \n:\t1 , "b":[ "x" , ":" ] }',
    ];
    for (const text of texts) expect(faultOf(text)).toBeUndefined();
  });

  test('the parser and the scan agree on every JSON value', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 0, max: 3 }),
        (value, indent) => {
          expect(faultOf(JSON.stringify(value, null, indent))).toBeUndefined();
        },
      ),
    );
  });

  test('a key that is repeated anywhere is found', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.string(),
        fc.jsonValue(),
        fc.nat({ max: 50 }),
        (before, key, value, depth) => {
          const name = JSON.stringify(key);
          const inner = `{${name}:${JSON.stringify(before)},${name}:${JSON.stringify(value)}}`;
          const text = `${'{"x":['.repeat(depth)}${inner}${']}'.repeat(depth)}`;
          expect(faultOf(text)).toMatchObject({ code: 'invalid_request' });
        },
      ),
    );
  });

  test('deep nesting, many keys and runs of backslashes take linear time', () => {
    const many = (count: number) => `{${Array.from({ length: count }, (_, at) => `"k${at}":1`).join()}}`;
    const texts = [
      many(200_000),
      `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      `{"a":"${'\\\\'.repeat(500_000)}"}`,
      `{"a":"${'\\"'.repeat(500_000)}"}`,
    ];
    for (const text of texts) {
      const since = performance.now();
      expect(faultOf(text)).toBeUndefined();
      expect(performance.now() - since).toBeLessThan(2_000);
    }
    expect(faultOf(`${many(200_000).slice(0, -1)},"k0":2}`)).toMatchObject({ param: 'k0' });
  });
});
