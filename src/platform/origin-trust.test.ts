import { expect, test } from 'bun:test';
import { OriginTrust } from './origin-trust.ts';

test('OriginTrust trusts an origin after three quiet responses, until late bytes come', () => {
  let now = 0;
  const trust = new OriginTrust(() => now, 20);
  const state = () => [trust.isTrusted('a'), trust.isDistrusted('a')];
  expect(state()).toEqual([false, false]);
  for (let times = 0; times < 3; times += 1) {
    expect(state()).toEqual([false, false]);
    now += 20;
    trust.quiet('a');
    // At the same time as another one.
    trust.quiet('a');
  }
  expect(state()).toEqual([true, false]);
  expect(trust.isTrusted('b')).toBe(false);
  trust.lateBytes('a');
  expect(state()).toEqual([false, true]);
  now += 600_000;
  expect(state()).toEqual([false, false]);
});

test('OriginTrust does not grow without end', () => {
  const trust = new OriginTrust(() => 0, 20);
  trust.lateBytes('first');
  for (let index = 0; index < 100_000; index += 1) trust.quiet(`origin ${index}`);
  expect(trust.isDistrusted('first')).toBe(false);
});
