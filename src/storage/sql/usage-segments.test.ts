import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { segmentsOf } from './usage-segments.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test('a month of another time zone reads two days of hours at most, the rest by day', () => {
  // November 2026 in Zurich: UTC+1.
  const from = Date.UTC(2026, 9, 31, 23);
  const to = Date.UTC(2026, 10, 30, 23);
  expect(segmentsOf(from, to, [from])).toEqual([
    { period: 'hour', from, to: Date.UTC(2026, 10, 1), bucket: from },
    { period: 'day', from: Date.UTC(2026, 10, 1), to: Date.UTC(2026, 10, 30), bucket: from },
    { period: 'hour', from: Date.UTC(2026, 10, 30), to, bucket: from },
  ]);
});

test('segments cover each hour of each bucket once, and only whole days by day', () => {
  const hours = fc.integer({ min: 0, max: 2_000 });
  fc.assert(
    fc.property(hours, hours, fc.uniqueArray(hours, { minLength: 1, maxLength: 8 }), (a, b, starts) => {
      const buckets = starts.map((start) => start * HOUR).sort((one, other) => one - other);
      const from = Math.min(a, b) * HOUR;
      const to = Math.max(a, b) * HOUR;
      const read = new Map<number, number>();
      for (const segment of segmentsOf(from, to, buckets)) {
        if (segment.period === 'day') expect([segment.from % DAY, segment.to % DAY]).toEqual([0, 0]);
        for (let at = segment.from; at < segment.to; at += HOUR) {
          expect(read.has(at)).toBe(false);
          read.set(at, segment.bucket);
        }
      }
      const expected = new Map<number, number>();
      for (const [index, bucket] of buckets.entries()) {
        const end = Math.min(buckets[index + 1] ?? to, to);
        for (let at = Math.max(bucket, from); at < end; at += HOUR) expected.set(at, bucket);
      }
      expect([...read].sort(([x], [y]) => x - y)).toEqual([...expected].sort(([x], [y]) => x - y));
    }),
  );
});
