import type { Clock } from '../core/clock.ts';
import { workUnits } from '../core/token-estimate.ts';
import { nanoUsd } from '../metering/cost.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import type { Sample } from '../routing/experiments/canary.ts';
import type { Participation } from '../routing/experiments/experiments.ts';
import type { AttemptTrace, Outcome, RequestContext } from './context.ts';
import { MetricHandles } from './metric-handles.ts';
import type { MirrorSide } from './mirror.ts';
import type { AttemptObserver } from './service.ts';

const NONE = 'none';

/** Turns finished requests and attempts into metrics and log lines: one place, once per request. */
export class Recorder implements AttemptObserver {
  readonly #series: MetricHandles;

  constructor(
    private readonly metrics: Metrics,
    private readonly log: Log,
    private readonly clock: Clock,
    private readonly logRequests: () => boolean,
    /** Told what a request of an experiment has shown. */
    private readonly onSample: (part: Participation, sample: Sample) => void = () => undefined,
  ) {
    this.#series = new MetricHandles(metrics);
  }

  attemptEnded(trace: AttemptTrace, context: RequestContext): void {
    const { provider, startedAt, firstEventAt, failure } = trace;
    this.#series.attempt(
      provider,
      firstEventAt === undefined ? undefined : (firstEventAt - startedAt) / 1000,
    );
    if (context.attempts.length === 1) {
      this.#series.overhead(context.route, (startedAt - context.startedAt) / 1000);
    }
    if (failure) this.metrics.providerErrors.labels(provider, failure.code).inc();
  }

  queueLeft(outcome: string, priority: Priority, waitedMs: number): void {
    const { metrics } = this;
    if (outcome === 'let_in') metrics.queueWait.labels().observe(waitedMs / 1000);
    else if (outcome === 'timeout' || outcome === 'shed') metrics.queueRejected.labels(priority).inc();
  }

  mirrored(model: string, mirror: string, primary: MirrorSide, copy: MirrorSide): void {
    const { metrics } = this;
    metrics.mirrorRequests.labels(model, mirror, copy.outcome).inc();
    for (const [name, side] of [['primary', primary] as const, ['mirror', copy] as const]) {
      metrics.mirrorDuration.labels(model, mirror, name).observe(side.durationMs / 1000);
      if (side.firstMs !== undefined) {
        metrics.mirrorFirst.labels(model, mirror, name).observe(side.firstMs / 1000);
      }
      if (side.outputTokens) metrics.mirrorTokens.labels(model, mirror, name).inc(side.outputTokens);
      if (side.cost !== undefined) metrics.mirrorCost.labels(model, mirror, name).inc(nanoUsd(side.cost));
    }
    if (primary.outcome === 'done' && copy.outcome === 'done') {
      const same = primary.finishReason === copy.finishReason ? 'yes' : 'no';
      metrics.mirrorFinish.labels(model, mirror, same).inc();
    }
  }

  mirrorSkipped(model: string, mirror: string): void {
    this.metrics.mirrorRequests.labels(model, mirror, 'skipped').inc();
  }

  #variant(context: RequestContext, outcome: Outcome, part: Participation, endedAt: number): void {
    const { metrics } = this;
    const { model, variant } = part;
    const { usage, cost, committedAt, startedAt, stream } = context;
    const duration = endedAt - startedAt;
    metrics.variantRequests.labels(model, variant, outcome.kind).inc();
    metrics.variantDuration.labels(model, variant).observe(duration / 1000);
    if (stream && committedAt !== undefined) {
      metrics.variantFirst.labels(model, variant).observe((committedAt - startedAt) / 1000);
    }
    if (usage?.outputTokens) metrics.variantTokens.labels(model, variant).inc(usage.outputTokens);
    if (cost !== undefined) metrics.variantCost.labels(model, variant).inc(nanoUsd(cost));
    // Who went away, or asked for what can't be, says nothing of the variant.
    const own = outcome.kind === 'failed' && outcome.error.status < 500 && context.attempts.length === 0;
    if (outcome.kind === 'client_gone' || own) return;
    const failed = context.attempts[0]?.failure !== undefined || outcome.kind === 'failed';
    this.onSample(part, {
      failed,
      // An answer of another variant says nothing of this one's pace and price.
      timePerTokenMs: failed ? undefined : duration / workUnits(usage?.outputTokens ?? 0),
      nanoUsd: failed || cost === undefined ? undefined : nanoUsd(cost),
    });
  }

  /** @param endedAt monotonic milliseconds */
  requestCompleted(context: RequestContext, outcome: Outcome, endedAt = this.clock.now()): void {
    const attempt = context.answeredBy ?? context.attempts.at(-1);
    const model = context.modelLabel ?? 'unknown';
    const provider = attempt?.provider ?? NONE;
    const status = statusOf(context, outcome);
    context.status = status;
    const series = this.#series.of(model, provider);
    series.request(status, context.principal.tier, (endedAt - context.startedAt) / 1000);
    const firstAt = context.stream ? context.committedAt : undefined;
    if (firstAt !== undefined) series.firstToken((firstAt - context.startedAt) / 1000);
    const { usage } = context;
    if (usage) {
      const { outputTokens } = usage;
      series.tokens('input', usage.inputTokens);
      series.tokens('output', outputTokens);
      series.tokens('cached', usage.cachedInputTokens);
      series.tokens('reasoning', usage.reasoningTokens);
      if (outputTokens) series.generated(outputTokens);
      if (firstAt !== undefined && outputTokens && outputTokens > 1) {
        series.perToken((endedAt - firstAt) / 1000 / (outputTokens - 1));
      }
    }
    const part = context.plan?.participation;
    if (part) this.#variant(context, outcome, part, endedAt);
    if (this.logRequests()) this.#write(context, outcome, status, endedAt);
  }

  #write(context: RequestContext, outcome: Outcome, status: number, endedAt: number): void {
    const attempt = context.answeredBy ?? context.attempts.at(-1);
    const { committedAt, startedAt } = context;
    const error = outcome.kind === 'failed' ? outcome.error : undefined;
    this.log.request({
      request_id: context.id,
      key: context.principal.keyId,
      tenant: context.principal.tenant,
      route: context.route,
      model: context.model,
      provider: attempt?.provider,
      upstream_model: attempt?.model,
      variant: context.plan?.participation?.variant,
      stream: context.stream,
      status,
      outcome: outcome.kind,
      attempts: context.attempts.length,
      queued_ms: context.queuedMs > 0 ? tenths(context.queuedMs) : undefined,
      loading_ms: context.loadingMs > 0 ? Math.round(context.loadingMs) : undefined,
      duration_ms: tenths(endedAt - startedAt),
      first_event_ms: committedAt === undefined ? undefined : tenths(committedAt - startedAt),
      input_tokens: context.usage?.inputTokens,
      output_tokens: context.usage?.outputTokens,
      finish_reason: context.finishReason,
      error: error?.code,
      reason: error?.message,
    });
  }
}

function tenths(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

function statusOf(context: RequestContext, outcome: Outcome): number {
  if (outcome.kind === 'failed') return outcome.error.status;
  if (outcome.kind === 'client_gone') return 499;
  return context.status ?? 200;
}
