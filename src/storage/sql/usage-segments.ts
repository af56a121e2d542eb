const DAY_MS = 86_400_000;

/** A time range that is read from sums of one length. Unix milliseconds: from inclusive, to exclusive. */
export interface UsageSegment {
  readonly period: 'hour' | 'day';
  readonly from: number;
  readonly to: number;
  /** Start of the bucket that it is a part of. */
  readonly bucket: number;
}

/**
 * Splits buckets into whole days (UTC), which have sums of their own, and the hours before and after them: a month of any
 * time zone reads at most 48 hours beside its days.
 *
 * @param buckets starts, in order; each ends where the next one begins, the last at `to`
 */
export function segmentsOf(from: number, to: number, buckets: readonly number[]): UsageSegment[] {
  return buckets.flatMap((bucket, index) => {
    const start = Math.max(bucket, from);
    const end = Math.min(buckets[index + 1] ?? to, to);
    if (end <= start) return [];
    const firstDay = Math.ceil(start / DAY_MS) * DAY_MS;
    const lastDay = Math.floor(end / DAY_MS) * DAY_MS;
    if (firstDay >= lastDay) return [{ period: 'hour', from: start, to: end, bucket }];
    const parts: UsageSegment[] = [
      { period: 'hour', from: start, to: firstDay, bucket },
      { period: 'day', from: firstDay, to: lastDay, bucket },
      { period: 'hour', from: lastDay, to: end, bucket },
    ];
    return parts.filter((part) => part.from < part.to);
  });
}
