import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../../test/support/effort.ts';
import { CircuitBreaker } from './breaker.ts';

const SETTINGS = { failures: 5, errorRate: 0.5, minRequests: 20, openMs: 30_000 };
const create = (more: Partial<typeof SETTINGS> = {}) => new CircuitBreaker(() => ({ ...SETTINGS, ...more }));

/** One attempt from start to end. */
function attempt(breaker: CircuitBreaker, now: number, ok: boolean): void {
  const probe = breaker.begin(now);
  if (ok) breaker.succeeded(now, probe);
  else breaker.failed(now, probe);
}

function opened(now = 0): CircuitBreaker {
  const breaker = create();
  for (let count = 0; count < 5; count += 1) attempt(breaker, now, false);
  return breaker;
}

describe('a breaker', () => {
  test('opens after consecutive failures; a success resets the count', () => {
    const breaker = create();
    for (const ok of [false, false, false, false, true, false, false, false, false]) attempt(breaker, 0, ok);
    expect(breaker.state(0)).toBe('closed');
    attempt(breaker, 0, false);
    expect([breaker.state(0), breaker.admits(0)]).toEqual(['open', false]);
  });

  test('opens when half of the requests of the last 30 s failed', () => {
    const breaker = create();
    for (let count = 0; count < 9; count += 1) {
      attempt(breaker, 0, false);
      attempt(breaker, 0, true);
    }
    expect(breaker.state(0)).toBe('closed');
    // Long after, the same begins at nothing.
    for (let count = 0; count < 9; count += 1) {
      attempt(breaker, 60_000, true);
      attempt(breaker, 60_000, false);
    }
    expect(breaker.state(60_000)).toBe('closed');
    attempt(breaker, 61_000, true);
    attempt(breaker, 61_000, false);
    expect(breaker.state(61_000)).toBe('open');
  });

  test('admits one probe after its open time, whose success closes it', () => {
    const breaker = opened();
    expect(breaker.admits(29_999)).toBe(false);
    expect([breaker.state(30_000), breaker.admits(30_000)]).toEqual(['half-open', true]);
    const probe = breaker.begin(30_000);
    expect([probe, breaker.admits(30_000)]).toEqual([true, false]);
    expect(breaker.succeeded(30_100, probe)).toBe(true);
    expect([breaker.state(30_100), breaker.admits(30_100)]).toEqual(['closed', true]);
  });

  test('doubles its open time after each failed probe, up to four minutes', () => {
    const breaker = opened();
    let now = 30_000;
    const waits: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      attempt(breaker, now, false);
      waits.push(breaker.openUntil - now);
      now = breaker.openUntil;
    }
    expect(waits).toEqual([60_000, 120_000, 240_000, 240_000, 240_000]);
  });

  test('ignores attempts that started before it opened', () => {
    const breaker = create();
    const early = breaker.begin(0);
    for (let count = 0; count < 5; count += 1) attempt(breaker, 0, false);
    expect(breaker.succeeded(1, early)).toBe(false);
    expect(breaker.state(1)).toBe('open');
  });

  test('admits another probe after an abandoned one', () => {
    const breaker = opened();
    breaker.abandoned(breaker.begin(30_000));
    expect(breaker.admits(30_000)).toBe(true);
  });

  test('in any history has at most one probe, and admits a request in the end', () => {
    const step = fc.record({
      wait: fc.constantFrom(0, 1, 1_000, 30_000, 300_000),
      what: fc.constantFrom('begin', 'ok', 'fail', 'fail', 'fail', 'gone'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const breaker = create();
        const open: boolean[] = [];
        let now = 0;
        for (const { wait, what } of steps) {
          now += wait;
          if (what === 'begin') {
            if (breaker.admits(now)) open.push(breaker.begin(now));
            continue;
          }
          const probe = open.pop();
          if (probe === undefined) continue;
          if (what === 'ok') breaker.succeeded(now, probe);
          else if (what === 'fail') breaker.failed(now, probe);
          else breaker.abandoned(probe);
          expect(open.filter(Boolean).length).toBeLessThanOrEqual(1);
        }
        for (const probe of open) breaker.abandoned(probe);
        expect(breaker.admits(now + 8 * SETTINGS.openMs)).toBe(true);
      }),
      { numRuns: runs(2_000) },
    );
  });
});
