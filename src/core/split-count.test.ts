import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { splitCount } from './split-count.ts';

test('the parts of a count are whole, in proportion, and add up to it', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 40),
      fc.array(fc.oneof(fc.nat(1_000_000), fc.constant(0)), { minLength: 1, maxLength: 70 }),
      (total, weights) => {
        const parts = splitCount(total, weights);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(total);
        const whole = weights.reduce((sum, weight) => sum + weight, 0);
        for (const [index, part] of parts.entries()) {
          expect(Number.isSafeInteger(part) && part >= 0).toBe(true);
          const share = whole === 0 ? 1 / weights.length : (weights[index] ?? 0) / whole;
          expect(Math.abs(part - total * share)).toBeLessThan(1.01);
        }
      },
    ),
  );
});

test('equal weights get equal parts', () => {
  expect(splitCount(9, [3, 3, 3])).toEqual([3, 3, 3]);
  expect(splitCount(4, [0, 0])).toEqual([2, 2]);
  expect(splitCount(7, [5, 0])).toEqual([7, 0]);
});
