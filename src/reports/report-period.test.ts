import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Calendar } from '../limits/calendar.ts';
import { periodAt, periodBefore, REPORT_PERIODS } from './report-period.ts';

const HOUR = 3_600_000;
const at = (text: string) => Date.parse(text);

test.each([
  // The day on which summer time ends has 25 hours, the one on which it begins 23.
  ['2026-10-25T12:00:00Z', 'daily', 'Europe/Zurich', '2026-10-25', '2026-10-24T22:00:00Z', 25],
  ['2026-03-29T12:00:00Z', 'daily', 'Europe/Zurich', '2026-03-29', '2026-03-28T23:00:00Z', 23],
  ['2026-10-25T23:30:00Z', 'weekly', 'Europe/Zurich', '2026-W44', '2026-10-25T23:00:00Z', 168],
  ['2026-10-25T22:30:00Z', 'weekly', 'Europe/Zurich', '2026-W43', '2026-10-18T22:00:00Z', 169],
  ['2027-01-01T12:00:00Z', 'weekly', 'UTC', '2026-W53', '2026-12-28T00:00:00Z', 168],
  ['2026-11-30T23:30:00Z', 'monthly', 'Europe/Zurich', '2026-12', '2026-11-30T23:00:00Z', 744],
  // Half an hour off: the hour in which the month begins belongs to the month before.
  ['2026-11-30T18:45:00Z', 'monthly', 'Asia/Kolkata', '2026-11', '2026-10-31T19:00:00Z', 720],
] as const)('%s is in the %s period of %s that is called %s', (time, name, zone, id, from, hours) => {
  const period = periodAt(new Calendar(), at(time), name, zone);
  expect([period.id, period.from, (period.to - period.from) / HOUR]).toEqual([id, at(from), hours]);
});

test('periods follow each other without gaps, in every zone', () => {
  const zones = [
    'UTC',
    'Europe/Zurich',
    'America/St_Johns',
    'Asia/Kolkata',
    'Pacific/Apia',
    'America/Sao_Paulo',
  ];
  fc.assert(
    fc.property(
      fc.integer({ min: at('2017-01-01'), max: at('2030-01-01') }),
      fc.constantFrom(...REPORT_PERIODS),
      fc.constantFrom(...zones),
      (time, name, zone) => {
        const calendar = new Calendar();
        const period = periodAt(calendar, time, name, zone);
        expect(period.from <= time && time < period.to).toBe(true);
        expect(periodBefore(calendar, period, name).to).toBe(period.from);
        expect(periodAt(calendar, period.to, name, zone).from).toBe(period.to);
        expect(periodAt(calendar, period.from, name, zone)).toEqual(period);
      },
    ),
    { numRuns: 200 },
  );
});
