import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { createRandom } from '../random.ts';
import { parsePattern } from './pattern.ts';
import { Budget, SchemaError } from './types.ts';

const budget = () => new Budget(1_000_000);

const atom = fc.constantFrom(
  'a',
  'b',
  '[a-c]',
  '[^a]',
  '\\d',
  '\\w',
  '.',
  '\\s',
  '[\\d_-]',
  '\\x61',
  '^',
  '$',
  '\\b',
  '\\B',
);
const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?');
const pattern = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    atom,
    fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
    fc.tuple(tie('any'), quantifier).map(([inner, times]) => `(?:${inner})${times}`),
    fc.array(tie('any'), { minLength: 2, maxLength: 3 }).map((options) => `(${options.join('|')})`),
  ),
})).any;

describe('a pattern', () => {
  test('matches what the built-in engine matches', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '_', ' ', '-', '\n'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, sample) => {
        expect(parsePattern(source).matches(sample, budget())).toBe(new RegExp(source, 'u').test(sample));
      }),
      { numRuns: runs(1000) },
    );
  });

  test.each([
    '^\\d{3}-\\d{4}$',
    '^[A-Za-z][\\w.-]{2,10}$',
    '^(?<year>\\d{4})/(0[1-9]|1[0-2])$',
    '^\\p{Lu}\\p{Ll}+$',
    '^\\u00e9+\\t?$',
    '^[\\u4e00-\\u9fa5]{2}$',
  ])('generates what it matches: %s', (source) => {
    for (let seed = 0; seed < 20; seed++) {
      const text = parsePattern(source).generate(createRandom(String(seed)), () => seed % 3, budget());
      expect(text).toMatch(new RegExp(source, 'u'));
    }
  });

  test('does not backtrack without end', () => {
    expect(parsePattern('^(a+)+$').matches(`${'a'.repeat(200)}b`, budget())).toBe(false);
  });

  test.each([
    '(',
    ')',
    '[a',
    'a{2,1}',
    '*',
    '(?=a)',
    '(?<!a)',
    '\\1',
    '\\k<a>',
    'x{',
    '\\p{Nonsense}',
    '[b-a]',
    'a'.repeat(2000),
  ])('is refused when not supported: %s', (source) => {
    expect(() => parsePattern(source)).toThrow(SchemaError);
  });
});
