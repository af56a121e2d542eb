import type { Clock } from '../core/clock.ts';
import { workUnits } from '../core/token-estimate.ts';
import type { QueueObserver } from '../dispatch/admission-queue.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { JoinedCallResult } from '../dispatch/micro-batch.ts';
import type { MicroBatchObserver } from '../dispatch/micro-batcher.ts';
import type { AttemptObserver } from '../dispatch/options.ts';
import type { DispatchRequest } from '../dispatch/request.ts';
import type { GuardrailFailureReason, GuardrailStage } from '../guardrails/guardrail.ts';
import { nanoUsd } from '../metering/cost.ts';
import type { FailedAttempt, Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import type { Sample } from '../routing/experiments/canary.ts';
import type { Participation } from '../routing/experiments/experiments.ts';
import type { GuardrailObserver, GuardrailOutcome } from './guardrail-run.ts';
import { MetricHandles } from './metric-handles.ts';
import type { MirrorObserver, MirrorSide } from './mirror-observer.ts';
import type { Outcome, RequestContext } from './request-context.ts';
import { costSoFar } from './usage-meter.ts';

const NONE = 'none';
/** Of responses that no provider made for their request. */
const CACHE = 'cache';

/** Learns who sends requests. */
export interface ActivityObserver {
  /** @param now monotonic milliseconds */
  seen(tenant: string, user: string, now: number): void;
}

const NO_ACTIVITY: ActivityObserver = { seen: () => undefined };

/** Turns finished requests and attempts into metrics and log lines: one place, once per request. */
export class Recorder
  implements AttemptObserver, QueueObserver, MicroBatchObserver, MirrorObserver, GuardrailObserver
{
  readonly #series: MetricHandles;

  constructor(
    private readonly metrics: Metrics,
    private readonly log: Log,
    private readonly clock: Clock,
    private readonly logRequests: () => boolean,
    /** Told what a request of an experiment has shown. */
    private readonly onSample: (part: Participation, sample: Sample) => void = () => undefined,
    /** Told which tenants and users send requests. */
    private readonly activity: ActivityObserver = NO_ACTIVITY,
  ) {
    this.#series = new MetricHandles(metrics);
  }

  attemptEnded(trace: AttemptTrace, request: DispatchRequest): void {
    const { provider, startedAt } = trace;
    const { identity, routing, timing } = request;
    const traceId = request.trace?.exemplarId;
    const endedAt = trace.endedAt ?? this.clock.now();
    this.#series
      .provider(provider, trace.target?.provider)
      .ended(trace, identity.operation, upstreamLabel(trace, request), endedAt, traceId);
    if (routing.attempts.length === 1) {
      this.#series.overhead(identity.route, (startedAt - timing.startedAt) / 1000, traceId);
    }
  }

  callJoined(model: string, requests: number, result: JoinedCallResult): void {
    const { joinedCalls, joinedRequests } = this.metrics.providers;
    joinedCalls.labels(model, result).inc();
    joinedRequests.labels(model).inc(requests);
  }

  queueLeft(outcome: string, priority: Priority, waitedMs: number): void {
    const { queueWait, queueRejected } = this.metrics.providers;
    if (outcome === 'let_in') queueWait.labels(priority).observe(waitedMs / 1000);
    else if (outcome === 'timeout' || outcome === 'shed') queueRejected.labels(priority).inc();
  }

  mirrored(model: string, mirror: string, primary: MirrorSide, copy: MirrorSide): void {
    const metrics = this.metrics.experiments;
    metrics.mirrorRequests.labels(model, mirror, copy.outcome).inc();
    for (const [name, side] of [['primary', primary] as const, ['mirror', copy] as const]) {
      metrics.mirrorDuration.labels(model, mirror, name).observe(side.durationMs / 1000);
      if (side.firstMs !== undefined) {
        metrics.mirrorFirst.labels(model, mirror, name).observe(side.firstMs / 1000);
      }
      if (side.outputTokens) metrics.mirrorTokens.labels(model, mirror, name).inc(side.outputTokens);
      if (side.cost !== undefined) metrics.mirrorCost.labels(model, mirror, name).inc(Number(side.cost));
    }
    if (primary.outcome === 'done' && copy.outcome === 'done') {
      const same = primary.finishReason === copy.finishReason ? 'yes' : 'no';
      metrics.mirrorFinish.labels(model, mirror, same).inc();
    }
  }

  guardrailFound(
    guardrail: string,
    stage: GuardrailStage,
    action: string,
    kind: string,
    count: number,
  ): void {
    this.metrics.guardrails.findings.labels(guardrail, stage, action, kind).inc(count);
  }

  guardrailEnded(
    guardrail: string,
    stage: GuardrailStage,
    outcome: GuardrailOutcome,
    durationMs: number,
  ): void {
    this.metrics.guardrails.results.labels(guardrail, stage, outcome).inc();
    this.metrics.guardrails.duration.labels(guardrail, stage).observe(durationMs / 1000);
  }

  guardrailFailed(guardrail: string, reason: GuardrailFailureReason, error: unknown): void {
    this.metrics.guardrails.errors.labels(guardrail, reason).inc();
    this.log.logger.warn({ guardrail, reason, err: error }, 'guardrail check failed');
  }

  mirrorSkipped(model: string, mirror: string): void {
    this.metrics.experiments.mirrorRequests.labels(model, mirror, 'skipped').inc();
  }

  #variant(request: RequestContext, outcome: Outcome, part: Participation, endedAt: number): void {
    const metrics = this.metrics.experiments;
    const { model, variant } = part;
    const { committedAt, startedAt } = request.timing;
    const { usage, cost } = request.usage;
    const { attempts } = request.routing;
    const { stream } = request.controls;
    const duration = endedAt - startedAt;
    metrics.variantRequests.labels(model, variant, outcome.kind).inc();
    metrics.variantDuration.labels(model, variant).observe(duration / 1000);
    if (stream && committedAt !== undefined) {
      metrics.variantFirst.labels(model, variant).observe((committedAt - startedAt) / 1000);
    }
    if (usage?.outputTokens) metrics.variantTokens.labels(model, variant).inc(usage.outputTokens);
    if (cost !== undefined) metrics.variantCost.labels(model, variant).inc(Number(cost));
    // Who went away, or asked for what can't be, says nothing of the variant.
    const own = outcome.kind === 'failed' && outcome.error.status < 500 && attempts.length === 0;
    if (outcome.kind === 'client_gone' || own) return;
    const failed = attempts[0]?.failure !== undefined || outcome.kind === 'failed';
    this.onSample(part, {
      failed,
      // An answer of another variant says nothing of this one's pace and price.
      timePerTokenMs: failed ? undefined : duration / workUnits(usage?.outputTokens ?? 0),
      nanoUsd: failed || cost === undefined ? undefined : nanoUsd(cost),
    });
  }

  /** @param endedAt monotonic milliseconds */
  requestCompleted(request: RequestContext, outcome: Outcome, endedAt = this.clock.now()): void {
    const { identity, controls, timing, upstream: routing, cache } = request;
    const { startedAt } = timing;
    const attempt = routing.respondedBy ?? routing.attempts.at(-1);
    const provider = cache?.served ? CACHE : (attempt?.provider ?? NONE);
    const series = this.#series.of(routing.modelLabel ?? 'unknown', provider);
    const { principal, operation } = identity;
    const tenant = this.#series.tenant(principal.tenant);
    const traceId = request.trace?.exemplarId;
    const status = request.response.status ?? 200;
    series.request(status, principal.tier, controls.stream, (endedAt - startedAt) / 1000, traceId);
    tenant.request(status);
    this.activity.seen(principal.tenant, principal.member ?? principal.keyId, endedAt);
    const firstAt = controls.stream ? timing.committedAt : undefined;
    if (firstAt !== undefined) series.firstToken(operation, (firstAt - startedAt) / 1000, traceId);
    const { usage } = request.usage;
    // No provider reports the tokens of a stored response again.
    if (usage && (cache === undefined || cache.status === 'miss')) {
      const { outputTokens } = usage;
      series.tokens(usage);
      tenant.tokens(usage);
      if (firstAt !== undefined && outputTokens && outputTokens > 1) {
        series.perToken(operation, (endedAt - firstAt) / 1000 / (outputTokens - 1), traceId);
      }
    }
    const part = routing.plan?.participation;
    if (part) this.#variant(request, outcome, part, endedAt);
    if (this.logRequests()) this.#write(request, outcome, endedAt);
  }

  #write(request: RequestContext, outcome: Outcome, endedAt: number): void {
    const { identity, controls, timing, upstream: routing, usage, cache } = request;
    const attempt = cache?.served
      ? { provider: CACHE, model: cache.served.model }
      : (routing.respondedBy ?? routing.attempts.at(-1));
    const { committedAt, startedAt } = timing;
    const { queuedMs, loadingMs, attempts, route } = routing;
    const [first, last] = [attempts[0], routing.respondedBy ?? attempts.at(-1)];
    const error = outcome.kind === 'failed' ? outcome.error : undefined;
    this.log.request({
      request_id: identity.id,
      trace_id: request.trace?.traceId,
      tenant: identity.principal.tenant,
      key: identity.principal.keyId,
      user: identity.principal.member,
      address: identity.address,
      route: identity.route,
      model: controls.model,
      routed_model: route?.id === controls.model ? undefined : route?.id,
      provider: attempt?.provider,
      upstream_model: attempt?.model,
      variant: routing.plan?.participation?.variant,
      stream: controls.stream,
      cache: cache?.status,
      status: request.response.status ?? 200,
      outcome: outcome.kind,
      attempts: routing.attemptCount,
      joined: last?.joined?.requests,
      gateway_ms: first && tenths(Math.max(0, first.startedAt - startedAt - queuedMs - loadingMs)),
      queued_ms: queuedMs > 0 ? tenths(queuedMs) : undefined,
      loading_ms: loadingMs > 0 ? Math.round(loadingMs) : undefined,
      upstream_ms: last && tenths((last.endedAt ?? endedAt) - last.startedAt),
      duration_ms: tenths(endedAt - startedAt),
      first_event_ms: committedAt === undefined ? undefined : tenths(committedAt - startedAt),
      input_tokens: usage.usage?.inputTokens,
      output_tokens: usage.usage?.outputTokens,
      cached_tokens: usage.usage?.cachedInputTokens,
      reasoning_tokens: usage.usage?.reasoningTokens,
      cost: usage.usage === undefined ? undefined : costSoFar(request),
      finish_reason: usage.finishReason,
      error: error?.code,
      reason: error?.message,
      guardrails: request.guardrails?.summary.length ? request.guardrails.summary : undefined,
      failed_attempts: failedAttempts(attempts),
    });
  }
}

function failedAttempts(attempts: readonly AttemptTrace[]): FailedAttempt[] | undefined {
  let failed: FailedAttempt[] | undefined;
  for (const { failure } of attempts) {
    if (!failure) continue;
    failed ??= [];
    failed.push({
      ...{ provider: failure.provider, model: failure.model, error: failure.code },
      ...{ upstream_status: failure.upstreamStatus, duration_ms: failure.durationMs },
    });
  }
  return failed;
}

/** The upstream's name of the model, where it is one of a bounded set: clients may name any model of some providers. */
function upstreamLabel({ model }: AttemptTrace, { routing: { route } }: DispatchRequest): string {
  return route === undefined || route.label === route.id ? model : route.label;
}

function tenths(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
