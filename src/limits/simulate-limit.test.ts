import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type LimitDocument, limitOf, limitSchema } from '../core/limit-schema.ts';
import { Calendar } from './calendar.ts';
import { estimatePeriodLimit, type PastRequest, simulateLimit } from './simulate-limit.ts';

const DAY = Date.parse('2026-11-20T00:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const limit = (document: Partial<LimitDocument>) => limitOf(limitSchema.parse(document));
const at = (startedAt: number, more: Partial<PastRequest> = {}): PastRequest => ({
  ...{ startedAt, endedAt: startedAt + 1_000, tokens: 100, nanoUsd: 1_000_000, count: 1, ...more },
});
const options = { calendar: new Calendar(), timeZone: 'UTC', priorUse: 0 };

describe('a past limit', () => {
  test('of a day starts over with the day of its time zone', () => {
    const times = [22, 22.5, 23, 23.5, 24, 24.5].map((hour) => at(DAY + hour * HOUR));
    const quota = limit({ of: 'requests', per: 'day', max: 2 });
    expect(simulateLimit(quota, times, options)).toEqual([0, 0, 1, 1, 0, 0]);
    // In Zurich, the day ends at 23:00 UTC.
    const zurich = { ...options, timeZone: 'Europe/Zurich', calendar: new Calendar() };
    expect(simulateLimit(quota, times, zurich)).toEqual([0, 0, 0, 0, 1, 1]);
  });

  test('counts what was used before in its period, and nothing of what it rejects', () => {
    const budget = limit({ of: 'cost', per: 'month', max: '0.005' });
    const requests = [1, 3, 2, 1, 1].map((cents, index) => at(DAY + index, { nanoUsd: cents * 1_000_000 }));
    expect(simulateLimit(budget, requests, options)).toEqual([0, 0, 1, 0, 1]);
    expect(simulateLimit(budget, requests, { ...options, priorUse: 4_500_000 })).toEqual([1, 1, 1, 1, 1]);
  });

  test('of a minute refills over time', () => {
    const rate = limit({ of: 'requests', per: 'minute', max: 2 });
    const times = [0, 1, 2, 32, 33, 64].map((second) => at(DAY + second * 1_000));
    expect(simulateLimit(rate, times, options)).toEqual([0, 0, 1, 0, 1, 0]);
    const bursts = limit({ of: 'tokens', per: 'minute', max: 600, burst: 200 });
    const tokens = [0, 1, 2, 30].map((second) => at(DAY + second * 1_000, { tokens: 200 }));
    expect(simulateLimit(bursts, tokens, options)).toEqual([0, 1, 1, 0]);
  });

  test('of requests at once counts those in flight', () => {
    const slots = limit({ of: 'concurrent_requests', max: 2 });
    const spans = [
      [0, 100],
      [10, 50],
      [20, 30],
      [50, 60],
      [55, 70],
      [100, 110],
    ] as const;
    const requests = spans.map(([from, to]) => at(DAY + from, { endedAt: DAY + to }));
    expect(simulateLimit(slots, requests, options)).toEqual([0, 0, 1, 0, 1, 0]);
  });

  test('never admits more at once than its slots', () => {
    const span = fc.tuple(fc.nat(1_000), fc.nat(200));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 80 }), fc.integer({ min: 0, max: 5 }), (spans, max) => {
        const requests = spans
          .map(([from, length]) => at(DAY + from, { endedAt: DAY + from + length }))
          .sort((a, b) => a.startedAt - b.startedAt);
        const rejected = simulateLimit(limit({ of: 'concurrent_requests', max }), requests, options);
        const admitted = requests.filter((_, index) => rejected[index] === 0);
        for (const [index, { startedAt }] of requests.entries()) {
          const inFlight = admitted.filter((one) => one.startedAt <= startedAt && one.endedAt > startedAt);
          const earlier = inFlight.filter((one) => requests.indexOf(one) < index).length;
          expect(rejected[index] === 1).toBe(earlier >= max);
        }
      }),
    );
  });
});

test('an estimate from hours rejects the rest of the hour in which a budget ends', () => {
  const budget = limit({ of: 'cost', per: 'day', max: '1' });
  const hours = [0, 1, 2].map((hour) => ({
    ...{ start: DAY + hour * HOUR, requests: 10, tokens: 0, nanoUsd: 600_000_000 },
  }));
  expect(estimatePeriodLimit(budget, hours, options)).toEqual([0, 4, 10]);
  expect(estimatePeriodLimit(limit({ of: 'requests', per: 'minute', max: 1 }), hours, options)).toEqual([]);
});
