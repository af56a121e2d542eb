import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { QuantileSketch, SKETCH_ERROR } from './quantile-sketch.ts';

const times = fc.array(fc.integer({ min: 1, max: 50_000_000 }), { minLength: 1, maxLength: 300 });
const sketchOf = (values: readonly number[]) => {
  const sketch = new QuantileSketch();
  for (const value of values) sketch.add(value);
  return sketch;
};

test('a quantile differs from the exact one by at most the documented error', () => {
  const property = fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
    const sorted = values.toSorted((a, b) => a - b);
    const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN;
    const estimate = sketchOf(values).quantile(q) ?? Number.NaN;
    expect(Math.abs(estimate - exact) / exact).toBeLessThanOrEqual(SKETCH_ERROR + 1e-9);
  });
  fc.assert(property, { numRuns: runs(300) });
  expect(SKETCH_ERROR).toBeLessThan(0.05);
});

test('sketches add up, as objects and as texts', () => {
  const property = fc.property(times, times, (some, others) => {
    const whole = sketchOf([...some, ...others]);
    const merged = sketchOf(some);
    merged.merge(sketchOf(others));
    const read = QuantileSketch.parse(String(sketchOf(some)));
    read?.merge(String(sketchOf(others)));
    for (const q of [0, 0.5, 0.95, 0.99, 1]) {
      expect(merged.quantile(q)).toBe(whole.quantile(q));
      expect(read?.quantile(q)).toBe(whole.quantile(q));
    }
  });
  fc.assert(property, { numRuns: runs(100) });
});

test('empty and damaged texts', () => {
  expect(new QuantileSketch().quantile(0.5)).toBeUndefined();
  expect(String(new QuantileSketch())).toBe('');
  expect(QuantileSketch.parse('')?.isEmpty).toBe(true);
  for (const text of ['x', '1', '1:', ':1', '1:2,', '1:x', '1.5:2']) {
    expect(QuantileSketch.parse(text)).toBeUndefined();
  }
});

test('counts 0 and very long times in the first and last bucket', () => {
  const sketch = sketchOf([0, 0.4, 1]);
  expect(sketch.quantile(1)).toBe(1);
  expect(sketchOf([Number.MAX_SAFE_INTEGER]).quantile(1)).toBeGreaterThan(50_000_000);
});
