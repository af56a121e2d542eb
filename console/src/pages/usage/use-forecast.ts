import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';

/** What was used of a month, and what is expected at its end: counts, or US dollars as exact decimals. */
export interface ForecastAmount {
  readonly used: number | string;
  readonly expected: number | string;
  readonly low: number | string | null;
  readonly high: number | string | null;
  readonly last_month: number | string;
}

/** The response of `GET /admin/v1/tenants/{tenant}/usage/forecast`. */
export interface UsageForecast {
  readonly month: string;
  readonly from: string;
  readonly to: string;
  readonly time_zone: string;
  readonly method: 'weekday' | 'pace' | 'today';
  readonly cost: ForecastAmount;
  readonly requests: ForecastAmount;
  readonly tokens: ForecastAmount;
  readonly days: readonly {
    readonly day: string;
    readonly start: string;
    readonly cost: string;
    readonly requests: number;
    readonly tokens: number;
  }[];
  /** Days that are left, today first: what is expected to be used at the end of each. */
  readonly ahead: readonly {
    readonly end: string;
    readonly cost: string;
    readonly requests: number;
    readonly tokens: number;
  }[];
}

export type Quantity = 'cost' | 'requests' | 'tokens';

/** Reads the forecast of this month, of a tenant or of all; with a filter, of a key, user or tag. */
export function useForecast(
  tenant: string | undefined,
  filter: Readonly<Record<string, string | undefined>> = {},
) {
  const path =
    tenant === undefined ? '/admin/v1/usage/forecast' : `/admin/v1/tenants/${tenant}/usage/forecast`;
  return useQuery({
    queryKey: ['forecast', tenant, filter],
    queryFn: ({ signal }) => api.get<UsageForecast>(path, { query: filter, signal }),
    refetchInterval: 300_000,
  });
}

/** A month as series over its days: what was used up to each, and what is expected for those that come. */
export interface MonthSeries {
  /** Unix milliseconds: the start of each day, now, and the end of the month. */
  readonly times: readonly number[];
  readonly used: readonly (number | null)[];
  readonly expected: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

/** @returns sums since the start of the month, as the gateway expects them. @param now Unix milliseconds */
export function monthSeries(
  { days, ahead, ...amounts }: UsageForecast,
  quantity: Quantity,
  now: number,
): MonthSeries {
  const { used, expected, low, high } = amounts[quantity];
  let sum = 0;
  const past = days.map((day) => {
    const before = sum;
    sum += Number(day[quantity]);
    return { time: Date.parse(day.start), before };
  });
  const future = ahead.map((day) => ({ time: Date.parse(day.end), amount: Number(day[quantity]) }));
  const today = past.at(-1)?.time ?? now;
  const current = Math.min(Math.max(now, today + 1), (future[0]?.time ?? now + 1) - 1);
  const none = past.map(() => null);
  const rise = Number(expected) - Number(used);
  /** The path to another end has the shape of the expected one. */
  const towards = (last: number | string | null) => [
    ...none,
    last === null ? null : Number(used),
    ...future.map(({ time, amount }, index) => {
      if (last === null) return null;
      const share = rise > 0 ? (amount - Number(used)) / rise : (index + 1) / future.length;
      return time === future.at(-1)?.time
        ? Number(last)
        : Number(used) + (Number(last) - Number(used)) * share;
    }),
  ];
  return {
    times: [...past.map(({ time }) => time), current, ...future.map(({ time }) => time)],
    used: [...past.map(({ before }) => before), Number(used), ...future.map(() => null)],
    expected: towards(expected),
    low: towards(low),
    high: towards(high),
  };
}

/** @returns when the expected sum reaches an amount, in Unix milliseconds; undefined where it does not in this month */
export function reachedAt({ times, used, expected }: MonthSeries, amount: number): number | undefined {
  const sums = times.map((time, index) => ({ time, sum: expected[index] ?? used[index] ?? 0 }));
  const at = sums.findIndex(({ sum }) => sum >= amount);
  const [before, after] = [sums[at - 1], sums[at]];
  if (!after) return undefined;
  if (!before || after.sum === before.sum) return after.time;
  return before.time + ((amount - before.sum) / (after.sum - before.sum)) * (after.time - before.time);
}
