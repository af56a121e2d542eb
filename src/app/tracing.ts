import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { ReportInterval } from '../core/report-interval.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SpanRecord } from '../observability/tracing/span.ts';
import {
  type ExporterSettings,
  type LossReason,
  SpanExporter,
} from '../observability/tracing/span-exporter.ts';
import { RequestTracer } from '../pipeline/request-tracer.ts';
import { failureTextRedactor, type RedactText } from '../redaction/failure-text.ts';

export interface TracingOptions {
  readonly config: () => Config;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly events: EventSink;
  readonly version: string;
  /** Tells processes of one service apart. */
  readonly instance: string;
}

const PATH = '/v1/traces';
const MODEL = 'gen_ai.request.model';
const CONTENT_TYPES = { 'http/protobuf': 'application/x-protobuf', 'http/json': 'application/json' } as const;
/** Shortest time between two reports of lost spans. */
const LOST_REPORT_MS = 60_000;

/** Traces, as the current configuration wants them. Without a collector they cost one comparison for each request. */
export function createTracing({ config, clock, metrics, events, version, instance }: TracingOptions) {
  const lost = new ReportInterval<{ readonly reason: LossReason; readonly error: Error | undefined }>(
    LOST_REPORT_MS,
    () => clock.now(),
    (count, { reason, error }) => events.emit('tracing.spans_lost', { count, reason, error }),
  );
  const redact = failureTextRedactor();
  const exporter = new SpanExporter({
    settings: () => exporterSettings(config()),
    encode: async (spans) => {
      // Loaded with the first spans: it takes a tenth of a second.
      const { encodeSpans } = await import('../observability/tracing/encode.ts');
      const { service_name, protocol } = config().tracing;
      const attributes = {
        'service.name': service_name,
        'service.version': version,
        'service.instance.id': instance,
      };
      const redacted = spans.map((span) => (span.error === undefined ? span : redactFailed(span, redact)));
      return encodeSpans(redacted, { attributes, version }, protocol);
    },
    fetch: (url, init) => fetch(url, init),
    sleep: (ms) => clock.sleep(ms),
    onExported: (count) => metrics.losses.spansExported.labels().inc(count),
    onLost: (count, reason, error) => {
      metrics.losses.spansLost.labels(reason).inc(count);
      lost.add(count, { reason, error });
    },
  });
  const tracer = new RequestTracer({
    clock,
    settings: () => {
      const { tracing } = config();
      return tracing.endpoint === null ? undefined : tracing;
    },
    onSpans: (spans) => exporter.add(spans),
  });
  return { tracer, exporter };
}

function exporterSettings({ tracing }: Config): ExporterSettings | undefined {
  const { endpoint, protocol, headers } = tracing;
  if (endpoint === null) return undefined;
  const url = endpoint.endsWith(PATH) ? endpoint : `${endpoint}${PATH}`;
  return { url, headers, contentType: CONTENT_TYPES[protocol] };
}

/** A failed span: its model may be a key that a client pasted into the wrong field. */
function redactFailed(span: SpanRecord, redact: RedactText): SpanRecord {
  const model = span.attributes[MODEL];
  return {
    ...span,
    error: redact(span.error ?? ''),
    attributes: typeof model === 'string' ? { ...span.attributes, [MODEL]: redact(model) } : span.attributes,
  };
}
