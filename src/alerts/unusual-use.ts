/** Weeks before the hour that it is compared with. */
export const HISTORY_WEEKS = 4;
/** Weeks without which nothing is said: one unusual week would decide otherwise. */
export const MIN_WEEKS = 3;
/** Makes the median absolute deviation comparable to a standard deviation, for a normal distribution. */
const MAD_SCALE = 1.4826;
/** Deviations beyond which a value is unusual. */
const DEVIATIONS = 4;

/** How the use of one hour compares with the same hour of the weeks before. */
export interface UseComparison {
  /** `insufficient_history`: too few weeks to say anything. */
  readonly verdict: 'usual' | 'high' | 'low' | 'insufficient_history';
  /** The median of the weeks before. */
  readonly expected: number;
  /** Weeks that were compared. */
  readonly weeks: number;
}

/**
 * Compares a value with those of previous weeks by their median, and their median absolute deviation: one holiday or
 * runaway job among them changes neither.
 * @param value of the hour
 * @param history of the same hour of previous weeks, the weeks before the first use left out
 * @param times a value above so many times the median, or below that part of it, may be unusual; more than 1
 */
export function compareUse(value: number, history: readonly number[], times: number): UseComparison {
  const expected = median(history);
  const weeks = history.length;
  if (weeks < MIN_WEEKS) return { verdict: 'insufficient_history', expected, weeks };
  const deviation = MAD_SCALE * median(history.map((one) => Math.abs(one - expected)));
  const high = Math.max(expected * times, expected + DEVIATIONS * deviation);
  const low = Math.min(expected / times, expected - DEVIATIONS * deviation);
  if (value > high) return { verdict: 'high', expected, weeks };
  return { verdict: value < low ? 'low' : 'usual', expected, weeks };
}

/** @returns the middle value; 0 of none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

/**
 * @param hour start of an hour, in Unix milliseconds
 * @param offsetAt milliseconds that local time is ahead of UTC at a moment
 * @returns the starts of the same local hour of previous weeks, the latest first; whole hours of UTC
 */
export function sameHours(hour: number, offsetAt: (time: number) => number): number[] {
  return Array.from({ length: HISTORY_WEEKS }, (_, index) => {
    const at = hour - (index + 1) * WEEK_MS;
    // Clocks may have gone forward or back since.
    const shifted = at + offsetAt(hour) - offsetAt(at);
    return Math.round(shifted / HOUR_MS) * HOUR_MS;
  });
}
