import type { Limit } from './limit.ts';

/**
 * The part of limits that one region enforces: the interval from `from` to `to` of each maximum, 0 to 1. Intervals of
 * regions that do not overlap give parts whose sum is at most the maximum, exactly.
 */
export interface LimitPortion {
  readonly from: number;
  readonly to: number;
  /** Rates and concurrency are divided, too, with a part of at least 1. Where false, they hold in full. */
  readonly dividesRates: boolean;
}

/** @returns the part of each limit; the same list where the portion is undefined, which is the whole */
export function portionOf(limits: readonly Limit[], portion: LimitPortion | undefined): readonly Limit[] {
  if (!portion || limits.length === 0) return limits;
  return limits.map((limit) => partOf(limit, portion));
}

function partOf(limit: Limit, { from, to, dividesRates }: LimitPortion): Limit {
  const part = (amount: number) => Math.floor(to * amount) - Math.floor(from * amount);
  if (limit.per === 'day' || limit.per === 'month') return { ...limit, max: part(limit.max) };
  if (!dividesRates || limit.max === 0) return limit;
  const burst = limit.burst === null ? null : Math.max(1, part(limit.burst));
  return { ...limit, max: Math.max(1, part(limit.max)), burst };
}
