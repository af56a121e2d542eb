import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import type { AttemptContext, InlineMedia, Target } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { InFlightLease } from '../routing/health/target-state.ts';
import type { AcquiredSlot } from './admission-queue.ts';
import { type Answer, Attempt, type AttemptEnd, type AttemptOptions } from './attempt.ts';
import type { AttemptTrace, RequestContext } from './context.ts';
import type { DeadlineMonitor } from './deadlines.ts';
import type { HedgedAttempt, HedgeGroup } from './hedge-group.ts';
import type { InferenceServiceOptions, Run } from './run.ts';
import { describeFailure, refusal } from './service-errors.ts';

/**
 * One attempt at one target, and what is to be done at its turns: its request's books, its target's place, and the race
 * that it may be in. A class and not a function with callbacks, since there is one for every request.
 */
export class UpstreamAttempt implements AttemptOptions, HedgedAttempt {
  readonly call: Run['call'];
  readonly target: Target;
  readonly context: AttemptContext;
  readonly now: () => number;
  readonly deadlines: DeadlineMonitor;
  readonly firstTokenMs: number;
  readonly streamIdleMs: number;
  readonly deadlineAt: number;
  readonly renderStreamError: Run['renderStreamError'];
  readonly trace: AttemptTrace;

  readonly #request: RequestContext;
  readonly #route: ModelRoute;
  readonly #lease: InFlightLease;
  readonly #run: Run;
  readonly #hedgeGroup: HedgeGroup | undefined;
  readonly #observer: InferenceServiceOptions['observer'];
  readonly #warnings: Warning[] = [];
  readonly #attempt: Attempt;

  /** Takes the place over that was claimed for it; `start` sends it. */
  constructor(
    { clock, deadlines, observer }: InferenceServiceOptions,
    now: () => number,
    run: Run,
    { candidate: { target, route }, lease, reservation }: AcquiredSlot,
    media: ReadonlyMap<string, InlineMedia>,
    hedgeGroup: HedgeGroup | undefined,
  ) {
    const { context, call } = run;
    const { limits } = run.snapshot;
    const startedAt = now();
    this.call = call;
    this.target = target;
    this.context = {
      requestId: context.id,
      createdSeconds: Math.floor(clock.wallTime() / 1000),
      warn: (warning) => this.#warnings.push(warning),
      media,
    };
    this.now = now;
    this.deadlines = deadlines;
    this.firstTokenMs = call.stream ? limits.firstTokenMs : limits.answerMs;
    this.streamIdleMs = limits.streamIdleMs;
    this.deadlineAt = context.deadlineAt;
    this.renderStreamError = run.renderStreamError;
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
    };
    this.#request = context;
    this.#route = route;
    this.#lease = lease;
    this.#run = run;
    this.#hedgeGroup = hedgeGroup;
    this.#observer = observer;
    this.#attempt = new Attempt(this, startedAt);
    context.attempts.push(this.trace);
    lease.sent(startedAt);
    const cancel = (reason: GatewayError) => this.#attempt.cancel(reason);
    if (hedgeGroup) hedgeGroup.add(this);
    else context.onAbort(cancel);
    lease.onAbandon = cancel;
  }

  /** Settles when it is committed, or has failed before that. */
  get answer(): Promise<Answer> {
    return this.#attempt.answer;
  }

  start(): void {
    try {
      this.#attempt.start();
    } catch (error) {
      this.cancel(asGatewayError(error));
    }
  }

  cancel(reason: GatewayError): void {
    this.#attempt.cancel(reason);
  }

  // The turns of the attempt.

  onBuilt(): void {
    const context = this.#request;
    const warnings = this.#warnings;
    context.warnings = warnings;
    if (context.strict && warnings.length > 0) throw refusal(this.target, warnings);
  }

  mayCommit(): boolean {
    return this.#hedgeGroup?.wonBy(this.trace) ?? true;
  }

  onFirstEvent(): void {
    const now = this.now();
    const { trace } = this;
    const context = this.#request;
    trace.firstEventAt = now;
    context.answeredBy = trace;
    this.#lease.responseStarted(now);
    context.committedAt ??= now;
  }

  onEnd(end: AttemptEnd): void {
    const { trace } = this;
    const context = this.#request;
    const hedgeGroup = this.#hedgeGroup;
    trace.endedAt = this.now();
    this.#lease.end(trace.endedAt, verdictOf(end), tokensOf(end));
    if (end.kind === 'failed') trace.failure = describeFailure(end.error, trace);
    if (hedgeGroup && end.kind === 'client_gone' && hedgeGroup.winner && hedgeGroup.winner !== trace)
      trace.hedge = 'lost';
    this.#observer.attemptEnded(trace, context);
    if (!hedgeGroup || hedgeGroup.ended(trace)) context.onAbort(undefined);
    trace.usage = end.observed?.usage;
    trace.outcome = end.kind;
    // A stream that was cut has not told all that it has used, even where it has told something.
    if (end.kind !== 'done' || !trace.usage) trace.answer = end.observed?.text;
    if (trace.firstEventAt === undefined) return;
    const { holdBack } = this.#run;
    if (holdBack) holdBack(() => this.#complete(end), end);
    else this.#complete(end);
  }

  /** Closes the request's books with what this has left. */
  #complete(end: AttemptEnd): void {
    const context = this.#request;
    const { usage } = this.trace;
    if (context.wantsCost && usage) {
      context.cost = this.#run.snapshot.router.costOf(this.target, this.#route, usage);
    }
    context.usage = withEarlier(end.observed?.usage, context);
    context.finishReason = end.observed?.finishReason;
    context.complete(end.kind === 'failed' ? { kind: 'failed', error: end.error } : { kind: end.kind });
  }
}

/** What the end of an attempt says of its target: see `InFlightLease.end`. */
function verdictOf(end: AttemptEnd): GatewayError | null | undefined {
  if (end.kind === 'failed') return end.error;
  return end.kind === 'client_gone' ? null : undefined;
}

/** Tokens of the answer; where they were not counted, its events. */
function tokensOf({ observed }: AttemptEnd): number | undefined {
  return observed?.usage?.outputTokens ?? observed?.chunks;
}

/** With what earlier targets had answered whose stream broke, and was gone on with. */
function withEarlier(usage: Usage | undefined, context: RequestContext): Usage | undefined {
  const { attempts, answeredBy } = context;
  if (attempts.length === 1) return usage;
  const cut = attempts.filter(
    (one) => one !== answeredBy && one.firstEventAt !== undefined && one.failure && one.usage,
  );
  if (cut.length === 0) return usage;
  context.usageEstimated = cut.some(({ estimated }) => estimated);
  const sum = (of: (one: Usage) => number | undefined) =>
    [usage, ...cut.map((one) => one.usage)].reduce((total, one) => total + ((one && of(one)) ?? 0), 0);
  return {
    ...(usage ?? { raw: {} }),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
  };
}
