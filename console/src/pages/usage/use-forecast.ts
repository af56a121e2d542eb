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
}

export type Quantity = 'cost' | 'requests' | 'tokens';

const DAY_MS = 86_400_000;

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

/** @returns sums since the start of the month. @param now Unix milliseconds */
export function monthSeries(
  { days, to, ...amounts }: UsageForecast,
  quantity: Quantity,
  now: number,
): MonthSeries {
  const { used, expected, low, high } = amounts[quantity];
  const end = Date.parse(to);
  let sum = 0;
  const past = days.map((day) => {
    const before = sum;
    sum += Number(day[quantity]);
    return { time: Date.parse(day.start), before };
  });
  const today = past.at(-1)?.time ?? now;
  const current = Math.min(Math.max(now, today + 1), end - 1);
  const future: number[] = [];
  for (let time = today + DAY_MS; time < end; time += DAY_MS) if (time > current) future.push(time);
  future.push(end);
  const none = past.map(() => null);
  const towards = (last: number | string | null) => {
    if (last === null) return [...none, null, ...future.map(() => null)];
    const rate = (Number(last) - Number(used)) / (end - current);
    return [...none, ...[current, ...future].map((time) => Number(used) + rate * (time - current))];
  };
  return {
    times: [...past.map(({ time }) => time), current, ...future],
    used: [...past.map(({ before }) => before), Number(used), ...future.map(() => null)],
    expected: towards(expected),
    low: towards(low),
    high: towards(high),
  };
}
