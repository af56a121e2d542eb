import { expect, test } from 'bun:test';
import { Activity } from './activity.ts';

const MINUTE = 60_000;

test('counts users and tenants within each window, and forgets them after a day', () => {
  const activity = new Activity();
  activity.seen('a', 'ann', 0);
  activity.seen('a', 'bob', 30 * MINUTE);
  activity.seen('b', 'eve', 58 * MINUTE);
  activity.seen('b', 'eve', 59 * MINUTE);
  const at = (minutes: number) => {
    const { users, tenants } = activity.counts(minutes * MINUTE);
    return [[...users.values()], [...tenants.values()]];
  };
  expect(at(60)).toEqual([
    [1, 3, 3],
    [1, 2, 2],
  ]);
  expect(at(24 * 60 + 31)).toEqual([
    [0, 0, 1],
    [0, 0, 1],
  ]);
  activity.seen('a', 'ann', (24 * 60 + 32) * MINUTE);
  expect(at(24 * 60 + 33)).toEqual([
    [1, 1, 2],
    [1, 1, 2],
  ]);
});

test('keeps a bounded number', () => {
  const activity = new Activity();
  for (let index = 0; index < 150_000; index += 1) activity.seen(`t${index}`, `u${index}`, 0);
  const { users, tenants } = activity.counts(0);
  expect([users.get('5m'), tenants.get('5m')]).toEqual([100_000, 100_000]);
});
