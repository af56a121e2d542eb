import type { UpstreamTrace } from '../dispatch/request.ts';
import { formatTraceparent, type RemoteSpan, type TraceIds } from '../observability/tracing/trace-context.ts';

/** One entry into an interceptor. */
export interface Stage {
  readonly name: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** Where a trace began, and what was decided about it. */
export interface TraceOrigin {
  readonly traceId: string;
  /** The caller's span. */
  readonly parent: RemoteSpan | undefined;
  readonly traceState: string | undefined;
  /** Decided when the request began; others are kept for how they end. */
  readonly isSampled: boolean;
  /** Whether upstreams learn of the trace. */
  readonly isPropagated: boolean;
}

const MAX_STAGES = 64;

/** The place of a request in its trace. It exists only while traces are exported. */
export class RequestTrace implements UpstreamTrace {
  /** Of the request. */
  readonly spanId: string;
  readonly stages: Stage[] = [];
  /** Its spans are exported. At first this is the sampler's decision; how the request ends may add to it. */
  isExported: boolean;

  constructor(
    private readonly ids: Pick<TraceIds, 'spanId'>,
    private readonly now: () => number,
    private readonly origin: TraceOrigin,
  ) {
    this.spanId = ids.spanId();
    this.isExported = origin.isSampled;
  }

  get exemplarId(): string | undefined {
    return this.isExported ? this.origin.traceId : undefined;
  }

  get traceId(): string {
    return this.origin.traceId;
  }

  get parent(): RemoteSpan | undefined {
    return this.origin.parent;
  }

  get traceState(): string | undefined {
    return this.origin.traceState;
  }

  get isSampled(): boolean {
    return this.origin.isSampled;
  }

  /** The interceptor with this name has its turn. */
  enter(name: string): void {
    if (this.stages.length < MAX_STAGES) this.stages.push({ name, at: this.now() });
  }

  newSpanId(): string {
    return this.ids.spanId();
  }

  /** @returns headers for the upstream of an attempt; undefined for none */
  upstreamHeaders(spanId: string): Readonly<Record<string, string>> | undefined {
    const { traceId, traceState, isSampled, isPropagated } = this.origin;
    if (!isPropagated) return undefined;
    return {
      traceparent: formatTraceparent(traceId, spanId, isSampled),
      ...(traceState !== undefined && { tracestate: traceState }),
    };
  }
}
