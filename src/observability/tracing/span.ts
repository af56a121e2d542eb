/** Values of a span's attributes; undefined ones are left out. */
export type AttributeValue = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** Kinds of spans, with OpenTelemetry's numbers in its API. */
export const SPAN_KIND = { internal: 0, server: 1, client: 2 } as const;

/** A finished span. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the first span of a trace. */
  readonly parentSpanId: string | undefined;
  /** The parent is a span of another process. */
  readonly hasRemoteParent: boolean;
  readonly traceState: string | undefined;
  readonly isSampled: boolean;
  readonly name: string;
  readonly kind: (typeof SPAN_KIND)[keyof typeof SPAN_KIND];
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Message of the failure; undefined for none. */
  readonly error: string | undefined;
  readonly events: readonly SpanEvent[];
}

export interface SpanEvent {
  readonly name: string;
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly attributes: Attributes;
}
