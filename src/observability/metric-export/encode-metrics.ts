import type { HrTime } from '@opentelemetry/api';
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import type { OtlpProtocol } from '../../config/tracing-schema.ts';
import type { HistogramChild, LabelledChild } from '../metric-children.ts';
import type { MetricDescription, MetricSnapshot } from '../metric-families.ts';
import { resourceOf, type TraceResource } from '../tracing/encode.ts';
import { hrTime } from '../tracing/hr-time.ts';

type ResourceMetrics = Parameters<typeof ProtobufMetricsSerializer.serializeRequest>[0];
type MetricData = ResourceMetrics['scopeMetrics'][number]['metrics'][number];
type Attributes = Record<string, string>;

/** When the values were counted. Unix milliseconds. */
export interface MetricPeriod {
  readonly startMs: number;
  readonly endMs: number;
}

/** Numbers of the library's enums, whose package is not a dependency of Weir. */
const CUMULATIVE = 1;
const HISTOGRAM = 0;
const GAUGE = 2;
const SUM = 3;
/** `ValueType.DOUBLE` of OpenTelemetry's API. */
const DOUBLE = 1;

/**
 * Encodes values of metrics as the body of an OTLP/HTTP request: cumulative sums, gauges and explicit-bucket histograms.
 * The library has no exemplars.
 *
 * @throws Error when the library cannot encode them
 */
export function encodeMetrics(
  snapshots: readonly MetricSnapshot[],
  resource: TraceResource,
  period: MetricPeriod,
  protocol: OtlpProtocol,
): Uint8Array {
  const times = { startTime: hrTime(period.startMs), endTime: hrTime(period.endMs) };
  const request: ResourceMetrics = {
    resource: resourceOf(resource),
    scopeMetrics: [
      {
        scope: { name: 'weir', version: resource.version },
        metrics: snapshots.map((snapshot) => metricData(snapshot, times)),
      },
    ],
  };
  const serializer = protocol === 'http/json' ? JsonMetricsSerializer : ProtobufMetricsSerializer;
  const encoded = serializer.serializeRequest(request);
  if (!encoded) throw new Error('the metrics could not be encoded');
  return encoded;
}

interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function metricData(snapshot: MetricSnapshot, times: Times): MetricData {
  const { description } = snapshot;
  const descriptor = {
    name: description.otel?.name ?? description.name,
    description: description.help,
    unit: description.otel?.unit ?? unitOf(description.name),
    valueType: DOUBLE,
  };
  const common = { descriptor, aggregationTemporality: CUMULATIVE };
  if (snapshot.type === 'histogram') {
    const { bounds, points } = snapshot;
    return {
      ...{ ...common, dataPointType: HISTOGRAM },
      dataPoints: points.map(({ values, child }) => ({
        ...times,
        attributes: attributesOf(description, values),
        value: histogramValue(child, bounds),
      })),
    };
  }
  const dataPoints = snapshot.points.map(({ values, child }: LabelledChild<{ readonly value: number }>) => ({
    ...times,
    attributes: attributesOf(description, values),
    value: child.value,
  }));
  return description.type === 'counter'
    ? { ...common, dataPointType: SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: GAUGE, dataPoints };
}

function histogramValue({ counts, sum, count }: HistogramChild, bounds: readonly number[]) {
  return { buckets: { boundaries: [...bounds], counts: Array.from(counts) }, sum, count };
}

/** Empty labels are left out, as Prometheus does. */
function attributesOf({ labels, otel }: MetricDescription, values: readonly string[]): Attributes {
  const attributes: Attributes = {};
  for (const [index, label] of labels.entries()) {
    const value = values[index];
    if (value) attributes[otel?.attributes[label] ?? label] = value;
  }
  return attributes;
}

/** The UCUM unit that a Prometheus name ends with. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, '');
  if (base.endsWith('_seconds')) return 's';
  if (base.endsWith('_bytes')) return 'By';
  if (base.endsWith('_percent')) return '%';
  if (base.endsWith('_ratio')) return '1';
  return base.endsWith('_usd') ? '{USD}' : '';
}
