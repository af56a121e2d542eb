import { describe, expect, test } from 'bun:test';
import { systemClock } from './clock.ts';

describe('systemClock', () => {
  test('never goes back', () => {
    const first = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(first);
    expect(systemClock.wallTime()).toBeGreaterThan(1_700_000_000_000);
  });

  test('sleeps until the time is over', async () => {
    const before = systemClock.now();
    await systemClock.sleep(5, new AbortController().signal);
    // Timers may be early by the fraction of a millisecond.
    expect(systemClock.now() - before).toBeGreaterThan(3);
  });

  test('wakes with the reason of an abort, before and during the sleep', async () => {
    const reason = new Error('enough');
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const sleeping = systemClock.sleep(60_000, controller.signal);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });
});
