import { forecast, type PastDay } from '../metering/forecast.ts';

export interface PaceInput {
  /** Complete days before today, in order. */
  readonly days: readonly PastDay[];
  /** Spent since the start of the month, today included. */
  readonly used: number;
  readonly today: number;
  /** Share of today that is over, from 0 to 1. */
  readonly todayShare: number;
  /** Weekdays of the days that are left in the month: today, then those after it. */
  readonly weekdaysLeft: readonly number[];
  readonly budget: number;
}

export interface Pace {
  /** Spent at the end of the month, if days stay as they were. */
  readonly expected: number;
  /** Days from today until the budget is used up; 0 for today. Undefined when the month ends first. */
  readonly daysUntil: number | undefined;
}

/** Complete days with use without which a pace says nothing. */
const MIN_DAYS = 3;

/**
 * Finds the day on which a monthly budget is used up, by the pace of the days before.
 * @returns undefined for too few days
 */
export function spendPace(input: PaceInput): Pace | undefined {
  const { budget, weekdaysLeft, days } = input;
  const first = days.findIndex(({ amount }) => amount > 0);
  if (first < 0 || days.length - first < MIN_DAYS || budget <= 0) return undefined;
  const { expected } = forecast(input);
  for (let count = 1; count <= weekdaysLeft.length; count += 1) {
    const until = forecast({ ...input, weekdaysLeft: weekdaysLeft.slice(0, count) });
    if (until.expected >= budget) return { expected, daysUntil: count - 1 };
  }
  return { expected, daysUntil: undefined };
}

/** @returns a day of a month for people: `21st` */
export function ordinal(day: number): string {
  const tens = day % 100;
  if (tens >= 11 && tens <= 13) return `${day}th`;
  return `${day}${['th', 'st', 'nd', 'rd'][day % 10] ?? 'th'}`;
}
