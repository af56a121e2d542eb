import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { countTokens, firstHalf, limitTokens, tokenize, tokensOfPieces } from './tokens.ts';

/** All tokens within the limits, and the reason for the end. */
function cutTokens(tokens: readonly string[], limit: number | undefined, stop: readonly string[]) {
  const limited = limitTokens(tokens, limit, stop);
  const kept: string[] = [];
  for (let next = limited.next(); ; next = limited.next()) {
    if (next.done === true) return { tokens: kept, reason: next.value };
    kept.push(next.value);
  }
}

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

/** A token as a pattern. */
const TOKEN =
  /\s*(?:[[\p{L}\p{M}\p{N}_]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]]{1,16}|\S)|\s+/gv;

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('a', 'é', '\u0301', '_', '9', ' ', '\u00a0', '\n', '.', '你', '𝒳', '𠮷', '😀'),
  }),
);

test('tokens are what the pattern matches', () => {
  fc.assert(
    fc.property(text, (sample) => {
      expect(tokenize(sample)).toEqual(sample.match(TOKEN) ?? []);
      expect(countTokens(sample)).toBe(tokenize(sample).length);
    }),
    { numRuns: 500 },
  );
});

test('tokens of a text are the same, however it is split', () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(10)), (sample, cuts) => {
      const characters = Array.from(sample);
      const pieces = cuts.map((length) => characters.splice(0, length).join(''));
      expect([...tokensOfPieces([...pieces, characters.join('')])]).toEqual(tokenize(sample));
    }),
    { numRuns: 500 },
  );
});

test('a text ends at the first stop sequence, wherever its parts are', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 30 });
  const sequence = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(letters), fc.array(sequence, { minLength: 1, maxLength: 4 }), (parts, stop) => {
      const all = parts.filter((part) => part !== '');
      const whole = all.join('');
      const found = stop.map((one) => whole.indexOf(one)).filter((at) => at >= 0);
      const { tokens, reason } = cutTokens(all, undefined, stop);
      expect(tokens.join('')).toBe(found.length === 0 ? whole : whole.slice(0, Math.min(...found)));
      expect(reason).toBe('stop');
      expect(tokens).not.toContain('');
    }),
    { numRuns: 1_000 },
  );
});

test('half of the tokens are the first ones, rounded up', () => {
  for (let length = 0; length < 10; length += 1) {
    const all = Array.from({ length }, (_, index) => String(index));
    expect([...firstHalf(() => all.values())]).toEqual(all.slice(0, Math.ceil(length / 2)));
  }
});
