import { expect, test } from 'bun:test';
import { ProgressClock } from './progress-clock.ts';

/** Seconds that a peer is behind after each second with these bytes. */
const behindAfter = (rate: number | null, moved: readonly number[]) => {
  const clock = new ProgressClock();
  return moved.map((bytes) => {
    clock.moved(bytes);
    return clock.tick(rate);
  });
};

test('a peer at the rate or above is never behind', () => {
  expect(behindAfter(100, [100, 100, 250, 100])).toEqual([0, 0, 0, 0]);
});

test('a slower one falls behind in proportion, and catches up', () => {
  expect(behindAfter(100, [0, 0, 50, 400, 0])).toEqual([1, 2, 2.5, 0, 1]);
});

test('a burst earns no credit', () => {
  expect(behindAfter(100, [1_000_000, 0, 0])).toEqual([0, 1, 2]);
});

test('without a rate any byte is enough', () => {
  expect(behindAfter(null, [0, 0, 1, 0])).toEqual([1, 2, 0, 1]);
});

test('restart forgets everything', () => {
  const clock = new ProgressClock();
  clock.tick(100);
  clock.moved(50);
  clock.restart();
  expect([clock.seconds, clock.tick(100), clock.seconds]).toEqual([0, 1, 1]);
});
