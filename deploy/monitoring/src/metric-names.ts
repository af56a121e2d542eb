import type { MetricDescription } from '../../../src/observability/metric-families.ts';
import { Metrics } from '../../../src/observability/metrics.ts';
import type { EXPORTER_METRICS } from './exporters.ts';

type AnyFamily = { readonly name: string; readonly labelNames: readonly string[]; readonly kind: string };
/** Groups of families are fields of `Metrics`. */
type FamiliesIn<Group> = Group extends AnyFamily ? Group : Extract<Group[keyof Group], AnyFamily>;
/** Families of the code that counts: their names and labels are types. */
type Family = { [Key in keyof Metrics]: FamiliesIn<Metrics[Key]> }[keyof Metrics];
type NameOfKind<Kind> = Extract<Family, { readonly kind: Kind }>['name'];

type ExporterMetrics = typeof EXPORTER_METRICS;

/** Metrics that are no field of `Metrics`, with their labels; `assertKnownMetrics` compares them with the code. */
export const FURTHER_METRICS = {
  llm_requests_in_flight: [],
  weir_http_received_bytes_total: [],
  weir_http_sent_bytes_total: [],
  weir_build_info: ['version'],
  process_cpu_seconds_total: [],
  process_resident_memory_bytes: [],
  process_memory_limit_bytes: [],
  process_start_time_seconds: [],
  process_open_fds: [],
  process_max_fds: [],
  process_event_loop_delay_max_seconds: [],
  process_event_loop_busy_max_seconds: [],
} as const;
type FurtherMetrics = typeof FURTHER_METRICS;

export type HistogramName = NameOfKind<'histogram'>;
/** Names that may be queried without a suffix. */
export type MetricName =
  | NameOfKind<'counter' | 'gauge'>
  | HistogramName
  | keyof (FurtherMetrics & ExporterMetrics);
export type CounterName =
  | NameOfKind<'counter'>
  | Extract<keyof FurtherMetrics, `${string}_total`>
  | Extract<keyof ExporterMetrics, `${string}_total` | `pg_stat_database_${string}`>;

/** Label names of a metric. */
export type LabelOf<Name> = Name extends keyof (FurtherMetrics & ExporterMetrics)
  ? (FurtherMetrics & ExporterMetrics)[Name][number]
  : Extract<Family, { readonly name: Name }>['labelNames'][number];

/** @returns all families that a gateway exposes, by name */
export function exposedMetrics(): ReadonlyMap<string, MetricDescription> {
  const stats = { cpuSeconds: 0, residentBytes: 0, startedAtSeconds: 0, openFiles: undefined };
  const metrics = new Metrics(
    () => stats,
    () => 0,
    { takeMaxDelay: () => 0, takeMaxBusy: () => 0 },
  );
  return new Map(metrics.describe().map((family) => [family.name, family]));
}

/** @throws Error for a further metric that the gateway does not expose, or exposes with other labels */
export function assertKnownMetrics(): void {
  const exposed = exposedMetrics();
  const unknown = Object.entries(FURTHER_METRICS).filter(
    ([name, labels]) => exposed.get(name)?.labels.join() !== labels.join(),
  );
  if (unknown.length > 0)
    throw new Error(`the gateway does not expose ${unknown.map(([name]) => name).join(', ')}`);
}
