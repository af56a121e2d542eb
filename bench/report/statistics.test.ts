import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { median, medianRatio, percentile, spread } from './statistics.ts';

test('percentile is nearest rank', () => {
  const values = [10, 20, 30, 40];
  expect(percentile(values, 0)).toBe(10);
  expect(percentile(values, 0.5)).toBe(20);
  expect(percentile(values, 0.51)).toBe(30);
  expect(percentile(values, 0.99)).toBe(40);
  expect(percentile(values, 1)).toBe(40);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

test('a percentile is one of the values and never falls with the share', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer(), { minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, a, b) => {
        const sorted = values.toSorted((x, y) => x - y);
        const low = percentile(sorted, Math.min(a, b));
        expect(sorted).toContain(low);
        expect(low).toBeLessThanOrEqual(percentile(sorted, Math.max(a, b)));
      },
    ),
  );
});

test('median', () => {
  expect(median([])).toBeUndefined();
  expect(median([3])).toBe(3);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('spread', () => {
  expect(spread([5])).toBeUndefined();
  expect(spread([0, 0])).toBeUndefined();
  expect(spread([9, 10, 11])).toBeCloseTo(0.1);
});

test('medianRatio pairs values by round', () => {
  expect(medianRatio([20, 40, 90], [10, 20, 30])).toBe(2);
  expect(medianRatio([20, null, 90, 5, 8], [10, 20, 30, 0, -2])).toBe(2.5);
  expect(medianRatio([1], [])).toBeUndefined();
});
