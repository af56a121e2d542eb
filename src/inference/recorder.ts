import type { Clock } from '../core/clock.ts';
import { workOf } from '../core/token-guess.ts';
import { nanoUsd } from '../metering/cost.ts';
import type { Priority } from '../routing/admission/fair-queue.ts';
import type { Sample } from '../routing/experiments/canary.ts';
import type { Participation } from '../routing/experiments/experiments.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { AttemptTrace, Outcome, RequestContext } from './context.ts';
import type { MirrorSide } from './mirror.ts';
import type { AttemptObserver } from './service.ts';

const NONE = 'none';

/** Turns finished requests and attempts into metrics and log lines: one place, once per request. */
export class Recorder implements AttemptObserver {
  constructor(
    private readonly metrics: Metrics,
    private readonly log: Log,
    private readonly clock: Clock,
    private readonly logRequests: () => boolean,
    /** Told what a request of an experiment has shown. */
    private readonly onSample: (part: Participation, sample: Sample) => void = () => undefined,
  ) {}

  attemptEnded(trace: AttemptTrace, context: RequestContext): void {
    const { metrics } = this;
    metrics.providerRequests.labels(trace.provider).inc();
    if (context.attempts.length === 1) {
      metrics.overhead.labels(context.route).observe((trace.startedAt - context.startedAt) / 1000);
    }
    if (trace.failure) metrics.providerErrors.labels(trace.provider, trace.failure.code).inc();
    if (trace.firstEventAt !== undefined) {
      metrics.providerLatency.labels(trace.provider).observe((trace.firstEventAt - trace.startedAt) / 1000);
    }
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
      pace: failed ? undefined : duration / workOf(usage?.outputTokens ?? 0),
      nanoUsd: failed || cost === undefined ? undefined : nanoUsd(cost),
    });
  }

  requestCompleted(context: RequestContext, outcome: Outcome): void {
    const { metrics } = this;
    const endedAt = this.clock.now();
    const attempt = context.answeredBy ?? context.attempts.at(-1);
    const model = context.modelLabel ?? 'unknown';
    const provider = attempt?.provider ?? NONE;
    const status = statusOf(context, outcome);
    context.status = status;
    metrics.requests.labels(model, provider, String(status), context.principal.tier).inc();
    metrics.requestDuration.labels(model, provider).observe((endedAt - context.startedAt) / 1000);
    const firstAt = context.stream ? context.committedAt : undefined;
    if (firstAt !== undefined) {
      metrics.timeToFirstToken.labels(model, provider).observe((firstAt - context.startedAt) / 1000);
    }
    const { usage } = context;
    if (usage) {
      const count = (direction: string, value: number | undefined) => {
        if (value) metrics.tokens.labels(model, direction).inc(value);
      };
      count('input', usage.inputTokens);
      count('output', usage.outputTokens);
      count('cached', usage.cachedInputTokens);
      count('reasoning', usage.reasoningTokens);
      if (usage.outputTokens) metrics.tokensGenerated.labels(model).inc(usage.outputTokens);
      if (firstAt !== undefined && usage.outputTokens && usage.outputTokens > 1) {
        metrics.timePerOutputToken
          .labels(model, provider)
          .observe((endedAt - firstAt) / 1000 / (usage.outputTokens - 1));
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
      requestId: context.id,
      tenant: context.principal.tenant,
      key: context.principal.keyId,
      route: context.route,
      model: context.model,
      provider: attempt?.provider,
      upstreamModel: attempt?.model,
      variant: context.plan?.participation?.variant,
      stream: context.stream,
      status,
      outcome: outcome.kind,
      attempts: context.attempts.length,
      queuedMs: context.queuedMs > 0 ? tenths(context.queuedMs) : undefined,
      loadingMs: context.loadingMs > 0 ? Math.round(context.loadingMs) : undefined,
      durationMs: tenths(endedAt - startedAt),
      firstEventMs: committedAt === undefined ? undefined : tenths(committedAt - startedAt),
      inputTokens: context.usage?.inputTokens,
      outputTokens: context.usage?.outputTokens,
      finishReason: context.finishReason,
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
