import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Calendar } from './calendar.ts';

const at = (text: string) => Date.parse(text);
const iso = (time: number) => new Date(time).toISOString();

describe('periods', () => {
  test.each([
    [
      '2026-11-21T12:00:00Z',
      'day',
      'UTC',
      '2026-11-21',
      '2026-11-21T00:00:00.000Z',
      '2026-11-22T00:00:00.000Z',
    ],
    [
      '2026-11-21T23:30:00Z',
      'day',
      'Europe/Zurich',
      '2026-11-22',
      '2026-11-21T23:00:00.000Z',
      '2026-11-22T23:00:00.000Z',
    ],
    // Clocks go back: the day has 25 hours.
    [
      '2026-10-25T10:00:00Z',
      'day',
      'Europe/Zurich',
      '2026-10-25',
      '2026-10-24T22:00:00.000Z',
      '2026-10-25T23:00:00.000Z',
    ],
    // Clocks go forward at midnight: the day begins at 01:00.
    [
      '2026-03-29T10:00:00Z',
      'day',
      'Asia/Beirut',
      '2026-03-29',
      '2026-03-28T22:00:00.000Z',
      '2026-03-29T21:00:00.000Z',
    ],
    [
      '2026-12-31T23:59:59Z',
      'month',
      'UTC',
      '2026-12',
      '2026-12-01T00:00:00.000Z',
      '2027-01-01T00:00:00.000Z',
    ],
    [
      '2026-12-31T23:59:59Z',
      'month',
      'Pacific/Auckland',
      '2027-01',
      '2026-12-31T11:00:00.000Z',
      '2027-01-31T11:00:00.000Z',
    ],
    [
      '2028-02-29T00:00:00Z',
      'month',
      'UTC',
      '2028-02',
      '2028-02-01T00:00:00.000Z',
      '2028-03-01T00:00:00.000Z',
    ],
  ] as const)('%s as a %s of %s', (now, per, zone, id, from, to) => {
    const period = new Calendar().periodAt(at(now), per, zone);
    expect([period.id, iso(period.startsAt), iso(period.endsAt)]).toEqual([id, from, to]);
  });

  test('contain the requested moment, and are contiguous', () => {
    const zones = [
      'UTC',
      'Europe/Zurich',
      'Asia/Beirut',
      'America/Sao_Paulo',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
    ];
    const calendar = new Calendar();
    fc.assert(
      fc.property(
        fc.integer({ min: at('2015-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
        fc.constantFrom('day' as const, 'month' as const),
        fc.constantFrom(...zones),
        (now, per, zone) => {
          const period = calendar.periodAt(now, per, zone);
          expect(period.startsAt).toBeLessThanOrEqual(now);
          expect(period.endsAt).toBeGreaterThan(now);
          const next = calendar.periodAt(period.endsAt, per, zone);
          expect(next.startsAt).toBe(period.endsAt);
          expect(next.id > period.id).toBe(true);
        },
      ),
    );
  });
});
