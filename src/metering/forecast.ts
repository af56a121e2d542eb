/** A past day: what was used in it. */
export interface PastDay {
  /** From 0, Sunday. */
  readonly weekday: number;
  readonly amount: number;
}

export interface ForecastInput {
  /** Complete days, in order, up to yesterday. */
  readonly days: readonly PastDay[];
  /** Used since the start of the period, today included. */
  readonly used: number;
  /** What was used today. */
  readonly today: number;
  /** Share of today that is over, from 0 to 1. */
  readonly todayShare: number;
  /** Days of the period that are left: today, then those after it. */
  readonly weekdaysLeft: readonly number[];
}

export interface Forecast {
  /** Use at the end of the period. */
  readonly expected: number;
  /** Four of five periods end between `low` and `high`, if days stay as they were; undefined for too few days. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  /** Use at the end of each day that is left: the last one is `expected`. */
  readonly ahead: readonly number[];
  /** `weekday`: each day as its weekday was in four weeks. `pace`: as the mean of the last seven days. `today`: as today. */
  readonly method: 'weekday' | 'pace' | 'today';
}

/** Days that count, the latest ones. */
const MAX_DAYS = 28;
const PACE_DAYS = 7;
/** Days from which each weekday has a mean of its own: each occurred twice. */
const WEEKDAY_DAYS = 14;
/** Days without which there is no range. */
const RANGE_DAYS = 3;
/** Share of a day without which a day says nothing about its rest. */
const MIN_SHARE = 1 / 24;
/** Of a normal distribution: 80 % lie within. */
const SPREAD = 1.2816;

/** Forecasts the use at the end of a period by the pace of the days before. */
export function forecast({ days, used, today, todayShare, weekdaysLeft }: ForecastInput): Forecast {
  const first = days.findIndex(({ amount }) => amount > 0);
  // Days before the first use say nothing.
  const known = first < 0 ? [] : days.slice(first).slice(-MAX_DAYS);
  if (known.length === 0) {
    const pace = today / Math.max(todayShare, MIN_SHARE);
    const ahead = weekdaysLeft.map((_, index) => used + pace * (index + 1 - todayShare));
    return { expected: ahead.at(-1) ?? used, low: undefined, high: undefined, ahead, method: 'today' };
  }
  const byWeekday = known.length >= WEEKDAY_DAYS;
  const pace = meanOf(known.slice(-PACE_DAYS));
  const expectedOf = (weekday: number) =>
    byWeekday ? meanOf(known.filter((day) => day.weekday === weekday)) : pace;
  const method = byWeekday ? 'weekday' : 'pace';
  let expected = used;
  let daysLeft = 0;
  const ahead: number[] = [];
  for (const [index, weekday] of weekdaysLeft.entries()) {
    const share = index === 0 ? 1 - todayShare : 1;
    expected += share * expectedOf(weekday);
    daysLeft += share;
    ahead.push(expected);
  }
  if (known.length < RANGE_DAYS) return { expected, low: undefined, high: undefined, ahead, method };
  const squares = known.map(({ weekday, amount }) => (amount - expectedOf(weekday)) ** 2);
  const deviation = Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / (known.length - 1));
  const half = SPREAD * deviation * Math.sqrt(daysLeft);
  return { expected, low: Math.max(used, expected - half), high: expected + half, ahead, method };
}

function meanOf(days: readonly PastDay[]): number {
  return days.length === 0 ? 0 : days.reduce((sum, { amount }) => sum + amount, 0) / days.length;
}
