import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { charge, granted, quota, rate } from '../../test/support/limit-stores.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';

test('a bucket that takes long to fill is kept while it is not full', () => {
  const clock = new FakeClock();
  const store = new MemoryLimitStore(clock);
  const slow = rate(1, { per: 'minute', burst: 1_000 });
  granted(store.reserve([charge(slow, 1_000)]));
  clock.advance(180_000);
  const busy = rate(1_000_000);
  for (let request = 0; request < 20_000; request += 1) granted(store.reserve([charge(busy)]));
  expect(store.stateOf(slow, undefined)).toBeCloseTo(3);
  clock.advance(1_000 * 60_000);
  for (let request = 0; request < 20_000; request += 1) granted(store.reserve([charge(busy)]));
  expect(store.stateOf(slow, undefined)).toBe(1_000);
});

test('recorded use is raised beside what open reservations hold', () => {
  const store = new MemoryLimitStore(new FakeClock());
  const budget = quota(1_000, { of: 'tokens' });
  const open = charge(budget, 100);
  const { period } = open;
  if (!period) throw new Error('no period');
  const { reservation } = granted(store.reserve([open]));
  store.raise([{ counter: budget, period, used: 300 }]);
  expect(store.stateOf(budget, period)).toBe(400);
  store.raise([{ counter: budget, period, used: 300 }]);
  expect(store.stateOf(budget, period)).toBe(400);
  store.settle(reservation, [20]);
  expect(store.stateOf(budget, period)).toBe(320);
  store.raise([{ counter: budget, period, used: 320 }]);
  expect(store.stateOf(budget, period)).toBe(320);
});
