import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { usagePieces } from './usage-pieces.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** How often each hour is counted in each bucket. */
function countsOf(from: number, to: number, starts: readonly number[]): Map<number, Map<number, number>> {
  const counts = new Map<number, Map<number, number>>();
  for (const { bucket, first, next, sign } of usagePieces(from, to, starts)) {
    const hours = counts.get(bucket) ?? new Map<number, number>();
    counts.set(bucket, hours);
    for (let hour = first; hour < next; hour += HOUR) hours.set(hour, (hours.get(hour) ?? 0) + sign);
  }
  return counts;
}

test('each hour is counted once in its bucket, and in no other', () => {
  const times = fc.uniqueArray(fc.integer({ min: 0, max: 12 * DAY }), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 12 * DAY }), (unsorted, from) => {
      const sorted = unsorted.toSorted((a, b) => a - b);
      const [starts, to] = [sorted.slice(0, -1), sorted.at(-1) ?? 0];
      const counts = countsOf(from, to, starts);
      for (const [index, bucket] of starts.entries()) {
        const end = starts[index + 1] ?? to;
        for (let hour = 0; hour < 13 * DAY; hour += HOUR) {
          const within = hour >= bucket && hour >= from && hour < end ? 1 : 0;
          expect(counts.get(bucket)?.get(hour) ?? 0).toBe(within);
        }
      }
    }),
  );
});

test('a month by days of another time zone reads its days, and the hours between', () => {
  const starts = Array.from({ length: 30 }, (_, day) => day * DAY - 2 * HOUR);
  const pieces = usagePieces(-2 * HOUR, 30 * DAY - 2 * HOUR, starts);
  const lengthOf = (period: string) =>
    pieces.filter((piece) => piece.period === period).reduce((sum, { first, next }) => sum + next - first, 0);
  expect(lengthOf('day')).toBe(30 * DAY);
  expect(lengthOf('hour')).toBe(30 * 4 * HOUR);
  expect(usagePieces(0, 30 * DAY, [0])).toEqual([
    { bucket: 0, period: 'day', first: 0, next: 30 * DAY, sign: 1 },
  ]);
});
