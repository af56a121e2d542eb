import type { TraceSampler } from '../config/tracing-schema.ts';
import type { Clock } from '../core/clock.ts';
import type { HeaderReader } from '../core/http.ts';
import { nanoUsd } from '../metering/cost.ts';
import { isSampled } from '../observability/tracing/sampler.ts';
import type { SpanRecord } from '../observability/tracing/span.ts';
import { parseTraceparent, readTracestate, TraceIds } from '../observability/tracing/trace-context.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { spansOf } from './request-spans.ts';
import { RequestTrace } from './request-trace.ts';
import { costSoFar } from './usage-meter.ts';

export interface TracingSettings {
  readonly sampler: TraceSampler;
  readonly ratio: number;
  readonly keep: {
    readonly errors: boolean;
    /** Milliseconds. */
    readonly slower_than: number | null;
    /** US dollars. */
    readonly costlier_than: number | null;
  };
  readonly propagate: boolean;
}

export interface RequestTracerOptions {
  readonly clock: Clock;
  /** Undefined while traces are not exported. */
  readonly settings: () => TracingSettings | undefined;
  /** Receives the spans of a request that is kept. */
  readonly onSpans: (spans: readonly SpanRecord[]) => void;
  readonly ids?: TraceIds;
}

/**
 * Decides which requests are traced, at their start by the sampler and at their end by how they went, and makes their spans
 * from what the request recorded anyway: a request that is not kept costs its ids only.
 */
export class RequestTracer {
  readonly #ids: TraceIds;

  constructor(private readonly options: RequestTracerOptions) {
    this.#ids = options.ids ?? new TraceIds();
  }

  /** @returns undefined while traces are not exported */
  begin(headers: HeaderReader): RequestTrace | undefined {
    const settings = this.options.settings();
    if (!settings) return undefined;
    const parent = parseTraceparent(headers.get('traceparent'));
    const traceId = parent?.traceId ?? this.#ids.traceId();
    return new RequestTrace(this.#ids, this.options.clock.now, {
      ...{ traceId, parent },
      traceState: parent && readTracestate(headers.get('tracestate')),
      isSampled: isSampled(settings.sampler, settings.ratio, traceId, parent),
      isPropagated: settings.propagate,
    });
  }

  /** @param endedAt monotonic milliseconds */
  completed(request: RequestContext, outcome: Outcome, endedAt: number): void {
    const { trace } = request;
    const settings = this.options.settings();
    if (!trace || !settings) return;
    if (!trace.isSampled && !isKept(request, outcome, endedAt, settings.keep)) return;
    trace.isExported = true;
    const { clock } = this.options;
    this.options.onSpans(spansOf(request, trace, outcome, endedAt, clock.wallTime() - clock.now()));
  }
}

function isKept(
  request: RequestContext,
  outcome: Outcome,
  endedAt: number,
  { errors, slower_than, costlier_than }: TracingSettings['keep'],
): boolean {
  if (errors && (outcome.kind === 'failed' || request.upstream.attempts.some(({ failure }) => failure)))
    return true;
  if (slower_than !== null && endedAt - request.timing.startedAt > slower_than) return true;
  if (costlier_than === null || request.usage.usage === undefined) return false;
  const cost = costSoFar(request);
  return cost !== undefined && nanoUsd(cost) > costlier_than * 1e9;
}
