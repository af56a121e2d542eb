import { expect, test } from 'bun:test';
import { tightest } from './rate-limit.ts';

test('of two states, the one that leaves less is reported', () => {
  const full = { limit: 10, remaining: 10, resetSeconds: 0 };
  const low = { limit: 50, remaining: 3, resetSeconds: 5 };
  expect(tightest(full, low)).toBe(low);
  expect(tightest(low, full)).toBe(low);
  expect(tightest(full, undefined)).toBe(full);
  expect(tightest(undefined, low)).toBe(low);
  expect(tightest(undefined, undefined)).toBeUndefined();
});
