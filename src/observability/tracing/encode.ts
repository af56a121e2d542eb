import type { Attributes as OtelAttributes } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { OtlpProtocol } from '../../config/tracing-schema.ts';
import { hrTime } from './hr-time.ts';
import type { Attributes, SpanEvent, SpanRecord } from './span.ts';

/** Of the process that made the spans. */
export interface TraceResource {
  readonly attributes: Attributes;
  readonly version: string;
}

type ReadableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

const OK = 0;
const ERROR = 2;
const NONE_DROPPED = { droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 };

/** Encodes spans as the body of an OTLP/HTTP request. @throws Error when the library cannot encode them */
export function encodeSpans(
  spans: readonly SpanRecord[],
  resource: TraceResource,
  protocol: OtlpProtocol,
): Uint8Array {
  const shared = {
    resource: resourceOf(resource),
    instrumentationScope: { name: 'weir', version: resource.version },
  };
  const readable = spans.map((span) => readableSpan(span, shared));
  const serializer = protocol === 'http/json' ? JsonTraceSerializer : ProtobufTraceSerializer;
  const encoded = serializer.serializeRequest(readable);
  if (!encoded) throw new Error('the spans could not be encoded');
  return encoded;
}

export function resourceOf({ attributes }: TraceResource): ReadableSpan['resource'] {
  const resource: ReadableSpan['resource'] = {
    attributes: presentOf(attributes),
    asyncAttributesPending: false,
    merge: () => resource,
    getRawAttributes: () => Object.entries(presentOf(attributes)),
  };
  return resource;
}

/** A span as the library reads it. */
function readableSpan(
  span: SpanRecord,
  shared: Pick<ReadableSpan, 'resource' | 'instrumentationScope'>,
): ReadableSpan {
  const { traceId, spanId, parentSpanId, isSampled, startMs, endMs, error } = span;
  const traceFlags = isSampled ? 1 : 0;
  return {
    ...shared,
    ...NONE_DROPPED,
    name: span.name,
    kind: span.kind,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parentSpanId !== undefined && {
      parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: span.hasRemoteParent },
    }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    ended: true,
    status: error === undefined ? { code: OK } : { code: ERROR, message: error },
    attributes: presentOf(span.attributes),
    links: [],
    events: span.events.map(eventOf),
  };
}

function eventOf({ name, atMs, attributes }: SpanEvent): ReadableSpan['events'][number] {
  return { name, time: hrTime(atMs), attributes: presentOf(attributes), droppedAttributesCount: 0 };
}

function presentOf(attributes: Attributes): OtelAttributes {
  const present: OtelAttributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) present[name] = typeof value === 'object' ? [...value] : value;
  }
  return present;
}
