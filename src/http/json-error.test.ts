import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { jsonSyntaxError } from './json-error.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ['{"a" 1}', 'a colon is expected at line 1, column 6 (offset 5)'],
  ['{"a":1', 'a closing brace is expected'],
  ['{"a":"x', 'the string is not closed'],
  ['{a:1}', 'line 1, column 2'],
  ['// note\n{}', 'comments are not allowed'],
  ['\n\n{"a":\n}', 'line 4'],
  [' \n', 'is empty'],
])('%j', (text, reason) => {
  expect(jsonSyntaxError(text).message).toContain(reason);
});

test('anything that is no JSON gets an answer, however deep', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', '"', ':', ',', '1', 'a', '\\', '\n'), maxLength: 20 }),
      (text) => {
        fc.pre(!isJson(text));
        expect(jsonSyntaxError(text)).toMatchObject({ code: 'invalid_json', status: 400 });
      },
    ),
  );
  expect(jsonSyntaxError('['.repeat(2_000_000)).code).toBe('invalid_json');
  expect(jsonSyntaxError(`{"a":"${'x'.repeat(5 * 1024 * 1024)}`).message).toBe(
    'The request body is not valid JSON.',
  );
});
