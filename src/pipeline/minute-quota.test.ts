import { expect, test } from 'bun:test';
import { MinuteQuota } from './minute-quota.ts';

test('a quota holds for each subject and minute, and counts what it suppressed', () => {
  let now = 0;
  const quota = new MinuteQuota(2, () => now);
  expect([quota.take('a'), quota.take('a'), quota.take('a'), quota.take('a')]).toEqual([
    0,
    0,
    undefined,
    undefined,
  ]);
  expect(quota.take('b')).toBe(0);
  now = 60_000;
  expect([quota.take('a'), quota.take('a'), quota.take('b')]).toEqual([2, 0, 0]);
});
