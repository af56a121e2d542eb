import { describe, expect, test } from 'bun:test';
import { type AlertState, keepFiringMs, nextState } from './alert-state.ts';

const MINUTE = 60_000;
const TIMING = { forMs: 2 * MINUTE, keepFiringMs: 3 * MINUTE };

/** The states at each minute. */
function follow(holds: readonly boolean[], timing = TIMING, flaps = 0): string[] {
  let state: AlertState | undefined;
  return holds.map((now, minute) => {
    state = nextState(state?.state === 'resolved' ? undefined : state, now, timing, flaps, minute * MINUTE);
    return state?.state ?? '-';
  });
}

describe('the state of an alert', () => {
  test('fires when its condition has held for long enough', () => {
    expect(follow([true, true, true, true])).toEqual(['pending', 'pending', 'firing', 'firing']);
    expect(follow([true, true, false, true])).toEqual(['pending', 'pending', '-', 'pending']);
    expect(follow([true], { ...TIMING, forMs: 0 })).toEqual(['firing']);
  });

  test('is resolved when its condition has been over for long enough, and not in between', () => {
    const at = [true, true, true, false, false, true, false, false, false, false];
    expect(follow(at)).toEqual([
      ...['pending', 'pending', 'firing', 'firing', 'firing', 'firing'],
      ...['firing', 'firing', 'firing', 'resolved'],
    ]);
  });

  test('waits twice as long after each recurrence, up to half an hour', () => {
    const minutes = (base: number, flaps: number) => keepFiringMs({ keepFiringMs: base }, flaps) / MINUTE;
    expect([0, 1, 2, 3, 9].map((flaps) => minutes(3 * MINUTE, flaps))).toEqual([3, 6, 12, 24, 30]);
    expect([0, 1, 5].map((flaps) => minutes(0, flaps))).toEqual([0, 2, 30]);
    // Damping never shortens what a rule wants.
    expect(minutes(60 * MINUTE, 4)).toBe(60);
  });
});
