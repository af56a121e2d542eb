import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { decimalOf, Exact } from './exact.ts';
import { divideByWeight, roundToSum } from './largest-remainder.ts';

const fraction = fc
  .tuple(fc.bigInt(-(10n ** 24n), 10n ** 24n), fc.bigInt(1n, 10n ** 12n))
  .map(([numerator, denominator]) => Exact.of(numerator, denominator));

test.each([
  ['0.125', 2, '0.13'],
  ['-0.125', 2, '-0.13'],
  ['0.1249999999999999999999', 2, '0.12'],
  ['2.5', 0, '3'],
  ['-2.5', 0, '-3'],
  ['0', 3, '0.000'],
  ['99999999999999999999.995', 2, '100000000000000000000.00'],
])('%s rounds to %d places as %s', (text, places, expected) => {
  expect(decimalOf(Exact.parse(text).round(places), places)).toBe(expected);
});

test.each([[''], ['1e3'], ['1.'], ['.5'], ['+1'], ['0x1'], ['NaN'], ['1 '], ['1,5']])(
  '%j is not a decimal',
  (text) => {
    expect(() => Exact.parse(text)).toThrow(RangeError);
  },
);

test('decimals survive parsing and printing', () => {
  expect(['0.1', '-12.030', '7', '0.000000000001'].map((text) => Exact.parse(text).toDecimal())).toEqual([
    '0.1',
    '-12.03',
    '7',
    '0.000000000001',
  ]);
});

test('fractions obey arithmetic', () => {
  fc.assert(
    fc.property(fraction, fraction, fraction, (a, b, c) => {
      expect(a.plus(b).minus(b).compare(a)).toBe(0);
      expect(a.times(b.plus(c)).compare(a.times(b).plus(a.times(c)))).toBe(0);
      if (!b.isZero) expect(a.over(b).times(b).compare(a)).toBe(0);
    }),
    { numRuns: runs(100) },
  );
});

test('rounded amounts add up to the rounded sum, each less than a unit from its own', () => {
  const places = fc.integer({ min: 0, max: 4 });
  fc.assert(
    fc.property(fc.array(fraction, { minLength: 1, maxLength: 40 }), places, (amounts, count) => {
      const total = Exact.sum(amounts).round(count);
      const units = roundToSum(amounts, total, count);
      expect(units.reduce((sum, unit) => sum + unit, 0n)).toBe(total);
      for (const [index, amount] of amounts.entries()) {
        const difference = Exact.of(units[index] ?? 0n, 10n ** BigInt(count)).minus(amount);
        expect(difference.compare(Exact.of(1n, 10n ** BigInt(count)))).toBeLessThan(1);
        expect(difference.compare(Exact.of(-1n, 10n ** BigInt(count)))).toBeGreaterThan(-1);
      }
    }),
    { numRuns: runs(200) },
  );
});

test('shares add up to what is divided', () => {
  const weights = fc.array(fc.bigInt(0n, 10n ** 15n), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.bigInt(-(10n ** 9n), 10n ** 9n), weights, (total, given) => {
      const shares = divideByWeight(total, given);
      expect(shares.reduce((sum, share) => sum + share, 0n)).toBe(total);
    }),
    { numRuns: runs(200) },
  );
  expect(divideByWeight(100n, [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
  expect(divideByWeight(100n, [0n, 0n])).toEqual([50n, 50n]);
  expect(divideByWeight(100n, [])).toEqual([]);
});
