import { describe, expect, test } from 'bun:test';
import { TimeZones } from '../core/time-zone.ts';
import { ordinal, spendPace } from './spend-pace.ts';
import { compareUse, median, sameHours } from './unusual-use.ts';

describe('unusual use', () => {
  test('is far from the median of previous weeks', () => {
    const weeks = [100, 110, 90, 105];
    expect(compareUse(1_000, weeks, 2)).toEqual({ verdict: 'high', expected: 102.5, weeks: 4 });
    expect(compareUse(150, weeks, 2).verdict).toBe('usual');
    expect(compareUse(10, weeks, 2).verdict).toBe('low');
  });

  test('is not decided by one unusual week', () => {
    // A runaway job among four weeks changes neither the median nor the deviation much.
    expect(compareUse(1_000, [100, 110, 90_000, 105], 2).verdict).toBe('high');
    // A holiday neither.
    expect(compareUse(100, [100, 110, 0, 105], 2).verdict).toBe('usual');
  });

  test('needs more where weeks differ much', () => {
    expect(compareUse(500, [10, 200, 90, 300], 2).verdict).toBe('usual');
  });

  test('says nothing with fewer than three weeks', () => {
    expect(compareUse(1_000, [100, 100], 2)).toMatchObject({ verdict: 'insufficient_history', weeks: 2 });
    expect(compareUse(1_000, [], 2)).toMatchObject({ verdict: 'insufficient_history', expected: 0 });
  });

  test('of none and of something differ, and none of none does not', () => {
    expect(compareUse(50, [0, 0, 0], 2).verdict).toBe('high');
    expect(compareUse(0, [0, 0, 0], 2).verdict).toBe('usual');
    expect(median([])).toBe(0);
  });

  test('compares the same local hour, also after clocks went back', () => {
    const zones = new TimeZones();
    const offset = (at: number) => zones.localTime(at, 'Europe/Zurich') - at;
    const hours = sameHours(Date.parse('2026-11-04T09:00:00Z'), offset);
    expect(hours.map((at) => new Date(at).toISOString().slice(0, 16))).toEqual([
      ...['2026-10-28T09:00', '2026-10-21T08:00', '2026-10-14T08:00', '2026-10-07T08:00'],
    ]);
  });
});

describe('spend pace', () => {
  const days = Array.from({ length: 10 }, (_, index) => ({ weekday: index % 7, amount: 10 }));
  const month = {
    days,
    today: 5,
    todayShare: 0.5,
    weekdaysLeft: Array.from({ length: 15 }, (_, i) => i % 7),
  };

  test('finds the day on which a budget is used up', () => {
    expect(spendPace({ ...month, used: 105, budget: 140 })).toMatchObject({ daysUntil: 3 });
    expect(spendPace({ ...month, used: 105, budget: 107 })).toMatchObject({ daysUntil: 0 });
    expect(spendPace({ ...month, used: 105, budget: 1_000 })).toMatchObject({ daysUntil: undefined });
  });

  test('says nothing by too few days, and without a budget', () => {
    expect(spendPace({ ...month, days: days.slice(0, 2), used: 25, budget: 30 })).toBeUndefined();
    expect(spendPace({ ...month, used: 105, budget: 0 })).toBeUndefined();
  });

  test('is worded with the day', () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31].map(ordinal).join(' ')).toBe(
      '1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 31st',
    );
  });
});
