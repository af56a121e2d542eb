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
  /** Unix milliseconds. */
  readonly times: readonly number[];
  readonly used: readonly (number | null)[];
  readonly expected: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

/** @returns sums since the start of the month at the end of each day */
export function monthSeries({ days, to, ...amounts }: UsageForecast, quantity: Quantity): MonthSeries {
  const { used, expected, low, high } = amounts[quantity];
  let sum = 0;
  const past = days.map((day) => {
    sum += Number(day[quantity]);
    return { time: Date.parse(day.start), sum };
  });
  const last = past.at(-1)?.time ?? Date.parse(to) - DAY_MS;
  const left = Math.max(0, Math.round((Date.parse(to) - last) / DAY_MS) - 1);
  const future = Array.from({ length: left }, (_, index) => last + (index + 1) * DAY_MS);
  const none = past.slice(1).map(() => null);
  const towards = (end: number | string | null) =>
    end === null
      ? [...past.map(() => null), ...future.map(() => null)]
      : [
          ...none,
          ...[0, ...future.map((_, index) => index + 1)].map((step) =>
            left === 0 ? Number(end) : Number(used) + ((Number(end) - Number(used)) * step) / left,
          ),
        ];
  return {
    times: [...past.map(({ time }) => time), ...future],
    used: [...past.map((day) => day.sum), ...future.map(() => null)],
    expected: towards(expected),
    low: towards(low),
    high: towards(high),
  };
}
