import { expect, test } from 'bun:test';
import { CallBreaker } from './call-breaker.ts';

test('opens after five failures in a row, and doubles the pause with each failed probe', () => {
  let now = 0;
  const breaker = new CallBreaker(() => now);
  for (let call = 0; call < 4; call += 1) expect([breaker.admit(), breaker.failed()]).toEqual([true, false]);
  breaker.succeeded();
  for (let call = 0; call < 4; call += 1) breaker.failed();
  expect([breaker.isOpen, breaker.failed(), breaker.isOpen]).toEqual([false, true, true]);
  for (const pause of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    now += pause - 1;
    expect(breaker.admit()).toBe(false);
    now += 1;
    expect([breaker.admit(), breaker.admit()]).toEqual([true, false]);
    expect(breaker.failed()).toBe(false);
  }
  now += 60_000;
  expect(breaker.admit()).toBe(true);
  breaker.succeeded();
  expect([breaker.isOpen, breaker.admit(), breaker.admit()]).toEqual([false, true, true]);
});

test('calls that began before it opened do not lengthen the pause', () => {
  let now = 0;
  const breaker = new CallBreaker(() => now, { failures: 3 });
  for (let call = 0; call < 20; call += 1) breaker.admit();
  for (let call = 0; call < 20; call += 1) breaker.failed();
  now = 1_000;
  expect([breaker.admit(), breaker.admit()]).toEqual([true, false]);
});
