/** Lengths of time that a page can show, by their name in the URL. Milliseconds. */
export const RANGES = {
  '15m': 900_000,
  '1h': 3_600_000,
  '6h': 21_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
  '30d': 2_592_000_000,
  '90d': 7_776_000_000,
} as const;
export type RangeName = keyof typeof RANGES;

/** A range in the URL: a name, or `from` and `to` as ISO times. */
export interface RangeSearch {
  readonly range?: RangeName | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Unix milliseconds. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

export const DEFAULT_RANGE: RangeName = '24h';

export function isRangeName(value: unknown): value is RangeName {
  return typeof value === 'string' && Object.hasOwn(RANGES, value);
}

/** Reads what the URL has; anything else is left out. */
export function rangeSearch(search: Readonly<Record<string, unknown>>): RangeSearch {
  const { range, from, to } = search;
  if (isTime(from) && isTime(to) && Date.parse(from) < Date.parse(to)) return { from, to };
  return isRangeName(range) ? { range } : {};
}

/** @param now Unix milliseconds; rounded down to half a minute, so that queries of one view are equal */
export function rangeOf({ range, from, to }: RangeSearch, now: number): TimeRange {
  if (from !== undefined && to !== undefined) return { from: Date.parse(from), to: Date.parse(to) };
  const end = Math.floor(now / 30_000) * 30_000 + 30_000;
  return { from: end - RANGES[range ?? DEFAULT_RANGE], to: end };
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
