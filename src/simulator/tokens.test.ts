import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { cutTokens, tokenize } from './tokens.ts';

test('words and punctuation are tokens, with the space before them', () => {
  expect(tokenize('Hello, wörld!  你好 a_b\n')).toEqual([
    'Hello',
    ',',
    ' wörld',
    '!',
    '  你',
    '好',
    ' a_b',
    '\n',
  ]);
  expect(tokenize('')).toEqual([]);
  expect(tokenize('x'.repeat(40)).map((token) => token.length)).toEqual([16, 16, 8]);
});

test('joined, the tokens are the text, and none is empty', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const tokens = tokenize(text);
      expect(tokens.join('')).toBe(text);
      expect(tokens.every((token) => token !== '')).toBe(true);
    }),
  );
});

test('a cut answer is a beginning of the answer, within the limit and free of stop sequences', () => {
  const word = fc.constantFrom('a', 'ab', 'b.', 'c c', '你好');
  fc.assert(
    fc.property(
      fc.array(word),
      fc.option(fc.nat(20), { nil: undefined }),
      fc.array(word),
      (parts, limit, stop) => {
        const all = tokenize(parts.join(' '));
        const { tokens, reason } = cutTokens(all, limit, stop);
        const text = tokens.join('');
        expect(all.join('').startsWith(text)).toBe(true);
        expect(tokens.length).toBeLessThanOrEqual(limit ?? all.length);
        expect(stop.some((sequence) => text.includes(sequence))).toBe(false);
        expect(tokenize(text)).toEqual([...tokens]);
        if (reason === 'length') expect(tokens.length).toBe(limit ?? -1);
      },
    ),
  );
});
