const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Sums of whole hours or whole days (UTC) that are added to a bucket, or subtracted from it. */
export interface UsagePiece {
  /** Start of the bucket. Unix milliseconds */
  readonly bucket: number;
  readonly period: 'hour' | 'day';
  /** Unix milliseconds: first inclusive, next exclusive. */
  readonly first: number;
  readonly next: number;
  readonly sign: 1 | -1;
}

/**
 * Splits buckets into the fewest stored sums: those of days, and those of the hours by which a bucket is longer or shorter
 * than its nearest days. A day of another time zone is a day (UTC), plus the hours before it, minus its last ones. A day
 * has one row where its hours have up to 24, so that a month by days reads a tenth of the rows.
 *
 * @param from Unix milliseconds: from inclusive, `to` exclusive. Bounds within an hour are rounded up to
 *   the next one, because hours are not divided
 * @param starts of buckets, in order; each ends where the next one begins, the last at `to`
 */
export function usagePieces(from: number, to: number, starts: readonly number[]): UsagePiece[] {
  return starts.flatMap((bucket, index) => {
    const start = upToHour(Math.max(bucket, from));
    const end = upToHour(starts[index + 1] ?? to);
    if (end <= start) return [];
    const [firstDay, lastDay] = [nearestDay(start), nearestDay(end)];
    const hours = { bucket, period: 'hour' } as const;
    if (lastDay <= firstDay) return [{ ...hours, first: start, next: end, sign: 1 }];
    return [
      { bucket, period: 'day', first: firstDay, next: lastDay, sign: 1 } as const,
      {
        ...hours,
        first: Math.min(start, firstDay),
        next: Math.max(start, firstDay),
        sign: start < firstDay ? 1 : -1,
      } as const,
      {
        ...hours,
        first: Math.min(end, lastDay),
        next: Math.max(end, lastDay),
        sign: lastDay < end ? 1 : -1,
      } as const,
    ].filter(({ first, next }) => first < next);
  });
}

const upToHour = (time: number) => Math.ceil(time / HOUR_MS) * HOUR_MS;
const nearestDay = (time: number) => Math.round(time / DAY_MS) * DAY_MS;
