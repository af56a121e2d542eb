import { describe, expect, test } from 'bun:test';
import { forecast } from './forecast.ts';

const days = (...amounts: number[]) => amounts.map((amount, index) => ({ weekday: index % 7, amount }));

describe('a forecast', () => {
  test('takes the pace of the last seven days, with a range', () => {
    const found = forecast({
      ...{ days: days(0, 0, 8, 12, 8, 12), used: 45, today: 5, todayShare: 0.5 },
      weekdaysLeft: [6, 0, 1],
    });
    expect(found).toMatchObject({ method: 'pace', expected: 70, ahead: [50, 60, 70] });
    // Deviation 2.31 of a day, 2.5 days left.
    expect(found.low).toBeCloseTo(70 - 1.2816 * 2.309 * Math.sqrt(2.5), 2);
    expect(found.high).toBeCloseTo(70 + 1.2816 * 2.309 * Math.sqrt(2.5), 2);
  });

  test('tells weekdays apart where each occurred twice', () => {
    const week = [1, 10, 10, 10, 10, 10, 1];
    const found = forecast({
      ...{ days: days(...week, ...week), used: 104, today: 0, todayShare: 0 },
      weekdaysLeft: [0, 1, 2],
    });
    const ahead = [105, 115, 125];
    expect(found).toEqual({ method: 'weekday', expected: 125, low: 125, high: 125, ahead });
  });

  test('is never below what is used', () => {
    const found = forecast({
      ...{ days: days(100, 1, 1, 1), used: 103, today: 0, todayShare: 0, weekdaysLeft: [4] },
    });
    expect(found.low).toBe(103);
  });

  test('goes by today where there is no day before, without a range', () => {
    const today = { days: days(0, 0), used: 6, today: 6, todayShare: 0.25, weekdaysLeft: [2, 3] };
    const ahead = [24, 48];
    expect(forecast(today)).toEqual({
      ...{ method: 'today', expected: 48, low: undefined, high: undefined, ahead },
    });
    // In its first minutes, a day says nothing yet.
    expect(forecast({ ...today, used: 1, today: 1, todayShare: 0 }).expected).toBe(1 + 24 * 2);
  });

  test('of nothing is nothing', () => {
    const found = forecast({ days: [], used: 0, today: 0, todayShare: 0.5, weekdaysLeft: [1, 2] });
    expect(found.expected).toBe(0);
  });
});
