import { expect, test } from 'bun:test';
import { EventLoopDelay, threadCpuMs } from './event-loop-delay.ts';

/** @param ticks milliseconds, and CPU milliseconds, since the tick before */
function measure(...ticks: readonly (readonly [ms: number, cpuMs: number])[]): EventLoopDelay {
  let [atMs, atCpuMs] = [1000, 500];
  const delay = new EventLoopDelay({ intervalMs: 10, now: () => atMs, cpuMs: () => atCpuMs });
  delay.tick();
  for (const [ms, cpuMs] of ticks) {
    atMs += ms;
    atCpuMs += cpuMs;
    delay.tick();
  }
  return delay;
}

test('the longest delay is that of the latest timer, in seconds', () => {
  expect(measure([10, 1], [32, 30], [14, 3]).takeMaxDelay()).toBeCloseTo(0.022);
  expect(measure().takeMaxDelay()).toBe(0);
  expect(measure([9, 9]).takeMaxDelay()).toBe(0);
});

test('a delay in which the thread did not run is none of its tasks', () => {
  expect(measure([50, 3], [18, 12]).takeMaxBusy()).toBeCloseTo(0.008);
});

test('each reading starts a new period', () => {
  const delay = measure([30, 30]);
  expect([delay.takeMaxDelay(), delay.takeMaxDelay()]).toEqual([0.02, 0]);
  expect([delay.takeMaxBusy(), delay.takeMaxBusy()]).toEqual([0.02, 0]);
});

test('CPU time of this thread never decreases', () => {
  const before = threadCpuMs();
  expect(before).toBeGreaterThan(0);
  expect(threadCpuMs()).toBeGreaterThanOrEqual(before);
});
