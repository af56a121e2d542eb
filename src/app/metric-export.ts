import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { ReportInterval } from '../core/report-interval.ts';
import type { EventSink } from '../events/event-bus.ts';
import {
  MetricExporter,
  type MetricExportSettings,
  type MetricLossReason,
} from '../observability/metric-export/metric-exporter.ts';
import type { Metrics } from '../observability/metrics.ts';

export interface MetricExportOptions {
  readonly config: () => Config;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly events: EventSink;
  readonly version: string;
  /** Tells processes of one service apart. */
  readonly instance: string;
  /** Unix time. */
  readonly startedAtSeconds: number;
}

const PATH = '/v1/metrics';
const CONTENT_TYPES = { 'http/protobuf': 'application/x-protobuf', 'http/json': 'application/json' } as const;
/** Shortest time between two reports of lost values. */
const LOST_REPORT_MS = 60_000;

/** Export of metrics over OTLP, as the current configuration wants it. */
export function createMetricExport(options: MetricExportOptions): MetricExporter {
  const { config, clock, metrics, events, version, instance, startedAtSeconds } = options;
  const lost = new ReportInterval<{ readonly reason: MetricLossReason; readonly error: Error | undefined }>(
    LOST_REPORT_MS,
    () => clock.now(),
    (count, { reason, error }) => events.emit('metrics.points_lost', { count, reason, error }),
  );
  return new MetricExporter({
    settings: () => exportSettings(config()),
    snapshot: () => metrics.snapshot(),
    encode: async (snapshots, endMs) => {
      // Loaded with the first export: it takes a tenth of a second.
      const { encodeMetrics } = await import('../observability/metric-export/encode-metrics.ts');
      const { tracing, metrics: settings } = config();
      const attributes = {
        'service.name': tracing.service_name,
        'service.version': version,
        'service.instance.id': instance,
      };
      const startMs = startedAtSeconds * 1_000;
      // A clock that was set back must not end the period before its start.
      const period = { startMs, endMs: Math.max(startMs, endMs) };
      return encodeMetrics(
        snapshots,
        { attributes, version },
        period,
        settings.otlp.protocol ?? tracing.protocol,
      );
    },
    fetch: (url, init) => fetch(url, init),
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    onExported: (points) => metrics.losses.pointsExported.labels().inc(points),
    onLost: (points, reason, error) => {
      metrics.losses.pointsLost.labels(reason).inc(points);
      lost.add(points, { reason, error });
    },
  });
}

function exportSettings({ metrics: { otlp }, tracing }: Config): MetricExportSettings | undefined {
  const endpoint = otlp.endpoint ?? tracing.endpoint;
  if (endpoint === null || !(otlp.enabled ?? otlp.endpoint !== null)) return undefined;
  const base = otlp.endpoint === null ? endpoint.replace(/\/v1\/traces$/, '') : endpoint;
  return {
    url: base.endsWith(PATH) ? base : `${base}${PATH}`,
    headers: otlp.headers ?? tracing.headers,
    contentType: CONTENT_TYPES[otlp.protocol ?? tracing.protocol],
    intervalMs: otlp.interval,
    includes: ({ description }) => otlp.include === 'all' || description.otel !== undefined,
  };
}
