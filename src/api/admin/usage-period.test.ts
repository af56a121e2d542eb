import { describe, expect, test } from 'bun:test';
import { z } from 'zod';
import { type PeriodFilter, periodParameters, ReportPeriods } from './usage-period.ts';

const NOW = Date.parse('2026-11-29T17:20:00Z');
const schema = z.object(periodParameters);
const iso = (time: number) => new Date(time).toISOString();

function resolve(filter: Record<string, string>, zone = 'UTC') {
  const parsed: PeriodFilter = schema.parse(filter);
  const periods = new ReportPeriods();
  const period = periods.resolve(parsed, NOW, zone);
  return {
    from: iso(period.from),
    to: iso(period.to),
    rows: (period.buckets ?? []).map((start) => `${iso(start)} ${periods.labelOf(start, period)}`),
  };
}

describe('a report', () => {
  test('begins with the month of the tenant, and ends with the hour that has begun', () => {
    expect(resolve({})).toMatchObject({ from: '2026-11-01T00:00:00.000Z', to: '2026-11-29T18:00:00.000Z' });
    expect(resolve({}, 'Europe/Zurich').from).toBe('2026-10-31T23:00:00.000Z');
    expect(resolve({ time_zone: 'America/New_York' }, 'Europe/Zurich').from).toBe('2026-11-01T04:00:00.000Z');
  });

  test.each([
    ['2026-11-01', 'UTC', '2026-11-01T00:00:00.000Z'],
    ['2026-11-01', 'Europe/Zurich', '2026-10-31T23:00:00.000Z'],
    ['2026-11', 'Europe/Zurich', '2026-10-31T23:00:00.000Z'],
    ['2026-11-01T00:00:00+02:00', 'Europe/Zurich', '2026-10-31T22:00:00.000Z'],
    // Rounded to the hour that contains it.
    ['2026-11-01', 'Asia/Kolkata', '2026-10-31T18:00:00.000Z'],
  ])('may begin at %s in %s', (from, zone, expected) => {
    expect(resolve({ from }, zone).from).toBe(expected);
  });

  test('has a row for each day and month of its time zone', () => {
    expect(resolve({ from: '2026-10-24', to: '2026-10-27', interval: 'day' }, 'Europe/Zurich').rows).toEqual([
      '2026-10-23T22:00:00.000Z 2026-10-24',
      '2026-10-24T22:00:00.000Z 2026-10-25',
      // Clocks go back on this day.
      '2026-10-25T23:00:00.000Z 2026-10-26',
    ]);
    expect(resolve({ from: '2026-09', to: '2026-12', interval: 'month' }, 'America/New_York').rows).toEqual([
      '2026-09-01T04:00:00.000Z 2026-09',
      '2026-10-01T04:00:00.000Z 2026-10',
      '2026-11-01T04:00:00.000Z 2026-11',
    ]);
  });

  test('labels hours in its time zone', () => {
    const periods = new ReportPeriods();
    const period = periods.resolve(schema.parse({ interval: 'hour' }), NOW, 'Asia/Kolkata');
    expect(periods.labelOf(Date.parse('2026-11-29T12:00:00Z'), period)).toBe('2026-11-29T17:30');
  });

  test.each([
    { from: '2026-13' },
    { from: '2026-02-30' },
    { from: 'yesterday' },
    { from: '2026-11-01T00:00:00' },
    { interval: 'week' },
    { time_zone: 'Mars/Olympus' },
    { from: '2026-11-02', to: '2026-11-01' },
    { from: '2026-10-01', interval: 'hour' },
    { from: '0001-01-01', interval: 'day' },
  ])('is not possible for %j', (filter) => {
    expect(() => resolve(filter as Record<string, string>)).toThrow();
  });
});
