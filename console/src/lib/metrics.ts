import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, type Query } from './api.ts';
import type { TimeRange } from './time-range.ts';

/** A count, milliseconds, US dollars as an exact decimal, or null where nothing was measured. */
export type MetricValue = number | string | null;

export interface MetricSeries {
  readonly by?: Readonly<Record<string, string>>;
  readonly names?: Readonly<Record<string, string>>;
  readonly totals: Readonly<Record<string, MetricValue>>;
  readonly values: Readonly<Record<string, readonly MetricValue[]>>;
}

/** The response of `GET /admin/v1/metrics/query`. */
export interface MetricResult {
  readonly from: string;
  readonly to: string;
  readonly step: string;
  readonly step_seconds: number;
  /** Unix milliseconds. */
  readonly times: readonly number[];
  readonly total: MetricSeries;
  readonly series: readonly MetricSeries[];
  readonly other: MetricSeries | null;
}

/** Reads series of a range; what was read before is shown until the new ones have come. */
export function useMetrics(range: TimeRange, query: Query, refetchMs = 30_000) {
  const { from, to } = range;
  return useQuery({
    queryKey: ['metrics', from, to, query],
    queryFn: ({ signal }) =>
      api.get<MetricResult>('/admin/v1/metrics/query', {
        query: { from: new Date(from).toISOString(), to: new Date(to).toISOString(), ...query },
        signal,
      }),
    placeholderData: keepPreviousData,
    refetchInterval: refetchMs,
  });
}

/** @returns values of a metric as numbers, for charts */
export function numbersOf(series: MetricSeries | undefined, metric: string): (number | null)[] {
  return (series?.values[metric] ?? []).map((value) => (value === null ? null : Number(value)));
}

/** @returns the total of a metric as a number; undefined where nothing was measured */
export function totalOf(series: MetricSeries | undefined, metric: string): number | undefined {
  const value = series?.totals[metric];
  return value === null || value === undefined ? undefined : Number(value);
}

/** The name of a group to show: the key's or user's name where it has one. */
export function groupName(series: MetricSeries): string {
  const parts = Object.entries(series.by ?? {}).map(([dimension, id]) => {
    const name = series.names?.[dimension] ?? id;
    return name === '' ? 'none' : name;
  });
  return parts.join(' / ');
}
