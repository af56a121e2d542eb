import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { indexOfBytes, joinBytes, seededRandom, splitAtRandom, toBytes } from './bytes.ts';

const cutPositions = (pieces: readonly Uint8Array[]): number[] => {
  let at = 0;
  return pieces.slice(0, -1).map((piece) => {
    at += piece.length;
    return at;
  });
};

describe('splitAtRandom', () => {
  test('loses nothing, makes no empty piece, and gives the number asked for', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.integer(),
        fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
        (bytes, seed, count) => {
          const pieces = splitAtRandom(bytes, seed, count);
          expect(joinBytes(pieces)).toEqual(bytes);
          expect(pieces.every((piece) => piece.length > 0)).toBe(true);
          if (count !== undefined) expect(pieces.length).toBe(Math.min(count, bytes.length));
          expect(splitAtRandom(bytes, seed, count)).toEqual(pieces);
        },
      ),
    );
  });

  test('cuts inside a UTF-8 sequence and inside a CRLF, whatever the seed', () => {
    const text = `${'data: plain text. '.repeat(20)}\r\n${'more of it. '.repeat(20)}€${'and more. '.repeat(20)}`;
    const bytes = toBytes(text);
    const euro = indexOfBytes(bytes, toBytes('€'));
    const lineFeed = indexOfBytes(bytes, toBytes('\n'));
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 3, max: 60 }), (seed, count) => {
        const cuts = cutPositions(splitAtRandom(bytes, seed, count));
        expect(cuts.includes(euro + 1) || cuts.includes(euro + 2)).toBe(true);
        expect(cuts).toContain(lineFeed);
      }),
    );
  });

  test('cuts elsewhere with another seed', () => {
    const bytes = toBytes('x'.repeat(5_000));
    expect(cutPositions(splitAtRandom(bytes, 1, 10))).not.toEqual(cutPositions(splitAtRandom(bytes, 2, 10)));
  });
});

test('seededRandom repeats itself and stays in [0, 1)', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const [first, second] = [seededRandom(seed), seededRandom(seed)];
      for (let draw = 0; draw < 50; draw++) {
        const value = first();
        expect(second()).toBe(value);
        expect(value >= 0 && value < 1).toBe(true);
      }
    }),
  );
});
