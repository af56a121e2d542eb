import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { FrameStream, StreamMode } from '../core/stream/frame.ts';
import type { StreamObservation } from '../core/stream/observation.ts';
import type { UpstreamHeaders } from '../core/transport.ts';
import type { Usage } from '../core/usage.ts';
import { addWarning, type Warning } from '../core/warning.ts';
import { rateLimitHeaders } from '../providers/retry-headers.ts';
import type { AttemptContext, InlineMedia, Target } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { InFlightLease, TargetState } from '../routing/health/target-state.ts';
import { mayRepeat } from '../routing/retry.ts';
import type { AcquiredSlot } from './admission-queue.ts';
import { Attempt } from './attempt.ts';
import type { AttemptEnd, AttemptOptions } from './attempt-options.ts';
import { type AttemptTrace, billedMs } from './attempt-trace.ts';
import type { DeadlineMonitor } from './deadlines.ts';
import { describeFailure, unsupportedByTarget } from './dispatch-errors.ts';
import type { HedgeGroup } from './hedge-group.ts';
import type { InferenceResponse } from './inference-response.ts';
import type { RunningAttempt } from './joined-attempt.ts';
import type { JoinAttempt } from './micro-batcher.ts';
import type { DispatchOptions } from './options.ts';
import type { AttemptPromptCache } from './prompt-caching.ts';
import type { ActiveAttempt, DispatchScope } from './request.ts';

const NO_RAW_USAGE: Readonly<Usage['raw']> = {};
const MAX_FINISH_REASON = 200;

/**
 * One attempt at one target together with its bookkeeping: the request's trace, the target's in-flight lease and the hedge
 * group. A class rather than a function with callbacks, because every request makes one.
 */
export class UpstreamAttempt implements AttemptOptions, ActiveAttempt {
  readonly call: InferenceCall;
  readonly target: Target;
  readonly context: AttemptContext;
  readonly streamMode: StreamMode;
  readonly now: () => number;
  readonly deadlines: DeadlineMonitor;
  readonly firstTokenMs: number;
  readonly streamIdleMs: number;
  readonly maxResponseBytes: number | undefined;
  readonly deadlineAt: number;
  readonly trace: AttemptTrace;
  readonly traceHeaders: Readonly<Record<string, string>> | undefined;

  readonly #options: DispatchOptions;
  readonly #scope: DispatchScope;
  readonly #route: ModelRoute;
  readonly #lease: InFlightLease;
  readonly #state: TargetState;
  readonly #hedgeGroup: HedgeGroup | undefined;
  readonly #promptCache: AttemptPromptCache | undefined;
  readonly #warnings: Warning[] = [];
  readonly #attempt: RunningAttempt;
  readonly #onCancel = (reason: GatewayError) => this.#attempt.cancel(reason);

  /**
   * Takes over the lease of `slot`; `start` sends the request.
   * @param join undefined for a call that is sent alone
   */
  constructor(
    options: DispatchOptions,
    call: InferenceCall,
    scope: DispatchScope,
    { candidate: { target, route, state }, lease, reservation }: AcquiredSlot,
    media: ReadonlyMap<string, InlineMedia>,
    hedgeGroup: HedgeGroup | undefined,
    join?: JoinAttempt,
  ) {
    const { request, deadlineAt, cancellation } = scope;
    const { clock, deadlines, limits } = options;
    this.now = () => clock.now();
    const startedAt = clock.now();
    this.call = call;
    this.target = target;
    const promptCache = options.promptCaching?.of(request, call, target, route.id);
    this.context = {
      requestId: request.identity.id,
      createdSeconds: Math.floor(clock.wallTime() / 1000),
      warn: (warning) => addWarning(this.#warnings, warning),
      media,
      promptCache,
    };
    this.#promptCache = promptCache;
    this.streamMode = request.routing.streamMode;
    this.deadlines = deadlines;
    const own = target.timeoutMs ?? target.provider.timeoutMs;
    this.firstTokenMs = own ?? (call.stream ? limits.firstTokenMs : limits.answerMs);
    this.streamIdleMs = limits.streamIdleMs;
    this.maxResponseBytes = limits.maxResponseBytes;
    this.deadlineAt = deadlineAt;
    const { trace } = request;
    const spanId = trace?.newSpanId();
    this.traceHeaders = spanId === undefined ? undefined : trace?.upstreamHeaders(spanId);
    this.trace = {
      provider: target.provider.id,
      model: target.model,
      account: target.provider.account,
      target,
      facts: route.facts,
      startedAt,
      firstEventAt: undefined,
      endedAt: undefined,
      failure: undefined,
      reservation,
      spanId,
    };
    this.#options = options;
    this.#scope = scope;
    this.#route = route;
    this.#lease = lease;
    this.#state = state;
    this.#hedgeGroup = hedgeGroup;
    this.#attempt = join ? join(this, startedAt) : new Attempt(this, startedAt);
    request.routing.attemptStarted(this);
    options.records?.begin(this, call, request);
    lease.sent(startedAt);
    cancellation.onCancel(this.#onCancel);
    lease.onAbandon = (reason) => this.#attempt.cancel(reason);
  }

  /** Settles at the first event of a stream, at the end of a complete response, or at a failure before either. */
  get response(): Promise<InferenceResponse> {
    return this.#attempt.response;
  }

  get observed(): StreamObservation {
    return this.#attempt.observed;
  }

  get stream(): FrameStream | undefined {
    return this.#attempt.stream;
  }

  start(): void {
    try {
      this.#attempt.start();
    } catch (error) {
      this.#attempt.cancel(asGatewayError(error));
    }
  }

  cancel(reason: GatewayError): void {
    this.#attempt.cancel(reason);
  }

  // Callbacks of the attempt.

  onBuilt(): void {
    const { routing, controls } = this.#scope.request;
    const warnings = this.#warnings;
    routing.warnings = warnings;
    const strict = controls.strict || routing.route?.strict;
    if (strict && warnings.length > 0) throw unsupportedByTarget(this.target, warnings);
  }

  /** A call for several requests counts once for the health of its target. */
  get #isCounted(): boolean {
    return this.trace.joined?.isCounted !== false;
  }

  mayCommit(): boolean {
    return this.#hedgeGroup?.claim(this.trace) ?? true;
  }

  onFirstEvent(headers: UpstreamHeaders): void {
    const now = this.now();
    const { routing } = this.#scope.request;
    this.trace.firstEventAt = now;
    routing.respondedBy = this.trace;
    if (this.#options.limits.forwardsRateLimits) routing.vendorLimits = rateLimitHeaders(headers);
    if (this.#isCounted) this.#lease.responseStarted(now);
    this.#promptCache?.confirm();
  }

  onEnd(end: AttemptEnd): void {
    const { trace } = this;
    const { request, cancellation } = this.#scope;
    const group = this.#hedgeGroup;
    cancellation.removeListener(this.#onCancel);
    trace.endedAt = this.now();
    this.#lease.end(trace.endedAt, this.#isCounted ? verdictOf(end) : null, tokensOf(end));
    if (end.kind === 'failed') {
      trace.failure = describeFailure(end.error, trace);
      if (!mayRepeat(end.error)) request.routing.plan?.neverRepeat(this.#state);
    }
    if (end.kind === 'stopped' && group?.winner && group.winner !== trace) trace.hedge = 'lost';
    const usage = end.observed?.usage;
    // Traces are kept for explanations. An upstream may fill its usage object with anything.
    trace.usage = usage && { ...usage, raw: NO_RAW_USAGE };
    trace.finishReason = end.observed?.finishReason?.slice(0, MAX_FINISH_REASON);
    trace.outcome = end.kind;
    // A stream that was cut did not report all of its usage, even where it reported some.
    if (end.kind !== 'done' || !usage) trace.text = end.observed?.text;
    if (request.routing.needsCost && usage) {
      const context = { tenant: request.identity.principal.tenant, isBatch: request.controls.isBatch };
      const durationMs = billedMs(trace, trace.endedAt);
      trace.cost = this.#options.router.costOf(this.target, this.#route, usage, context, durationMs);
    }
    this.#options.observer.attemptEnded(trace, request);
    if (end.kind === 'failed' && trace.firstEventAt === undefined) this.#options.records?.end(trace);
    request.routing.attemptEnded(this);
  }
}

/** The argument of `InFlightLease.end` that says how the attempt went for its target. */
function verdictOf(end: AttemptEnd): GatewayError | null | undefined {
  if (end.kind === 'failed') return end.error;
  return end.kind === 'done' ? undefined : null;
}

/** Output tokens; where the upstream reported none, the number of events. */
function tokensOf({ observed }: AttemptEnd): number | undefined {
  return observed?.usage?.outputTokens ?? observed?.chunks;
}
