import { type AttemptFailure, asGatewayError, GatewayError } from '../core/errors.ts';
import type { CountTokensCall } from '../core/inference.ts';
import { DEFAULT_TENANT, type Principal } from '../core/principal.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { InlineMedia, LazyEngine, Target } from '../providers/types.ts';
import type { QueueTenant } from '../routing/admission/target-gate.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { RequestFacts } from '../routing/request-facts.ts';
import type { Hedging } from '../routing/router.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import { type AcquiredSlot, AdmissionQueue } from './admission-queue.ts';
import { anotherWasFaster } from './attempt.ts';
import type { RequestContext } from './context.ts';
import type { Watched } from './deadlines.ts';
import { expectedNanoUsd, expectedTokens } from './expected-use.ts';
import { HedgeGroup } from './hedge-group.ts';
import type { InferenceAnswer, InferenceServiceOptions, Run } from './run.ts';
import { allFailed, deadlineExceeded, nothingUsable, refusal } from './service-errors.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

/** What is as slow as the slowest of the usual is not slow yet. */
const HEDGE_MARGIN = 1.05;

const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** Targets' limits are over all, and so nobody's. */
const NOBODY: Principal = {
  ...{ kind: 'admin', tenant: DEFAULT_TENANT, keyId: '', keyName: '', tier: 'none', limits: [] },
};

type Loading = NonNullable<ReturnType<LazyEngine['ensureLoaded']>>;

/** Tries targets, one after the other or two beside each other, until one commits. */
export class FailoverExecutor {
  readonly #now = () => this.options.clock.now();
  readonly #admissionQueue: AdmissionQueue;

  constructor(private readonly options: InferenceServiceOptions) {
    this.#admissionQueue = new AdmissionQueue(options);
  }

  /** Tries what the plan says, until one target commits. @param begun the plan was made now */
  async run(run: Run, plan: RoutePlan, begun = this.#now()): Promise<InferenceAnswer> {
    const { snapshot, context, call, facts } = run;
    const failures: AttemptFailure[] = [];
    let lastError: GatewayError | undefined;
    for (let now = begun; ; now = this.#now()) {
      if (context.aborted) throw context.aborted;
      if (now >= context.deadlineAt) throw deadlineExceeded().with({ attempts: failures });
      const step = plan.next(now, context.deadlineAt);
      if (step.kind === 'none') break;
      if (step.kind === 'wait') {
        await this.#pause(step.ms, context);
        continue;
      }
      const before = context.attempts.length;
      let slot: AcquiredSlot | undefined;
      try {
        if (step.kind === 'try') slot = this.#acquire(run, step.candidate, now);
        else {
          slot = await this.#admissionQueue.enter(
            step.busy,
            queueTenantOf(facts),
            context,
            snapshot.limits.queueTimeoutMs,
          );
          if (!slot) {
            plan.queueAbandoned();
            continue;
          }
          plan.queueAdmitted(slot.candidate);
        }
        const { route, target } = slot.candidate;
        const loading = target.provider.lazyEngine?.ensureLoaded();
        if (loading) await this.#untilLoaded(loading, context);
        const fitting = this.options.contextWindows.check(call, target, route.facts);
        const overflow = fitting && (await fitting);
        if (overflow) {
          // Another target's window may be larger, and asking costs nothing.
          lastError = overflow;
          plan.failed(overflow);
          continue;
        }
        if (target.limits) slot = { ...slot, reservation: await this.#admit(run, slot.candidate) };
        const answer = await this.#try(run, plan, slot);
        snapshot.router.recordResponse(route, answer.target, facts);
        return answer;
      } catch (thrown) {
        lastError = asGatewayError(thrown);
        for (const { failure } of context.attempts.slice(before)) if (failure) failures.push(failure);
        const goOn = slot ? plan.failed(lastError) : plan.queueRejected(lastError);
        if (context.aborted || !goOn) throw lastError.with({ attempts: failures });
      } finally {
        // What no attempt has taken over was not used.
        const reservation = slot?.reservation;
        if (reservation && !context.attempts.some((one) => one.reservation === reservation)) {
          reservation.settle({ tokens: 0, nanoUsd: 0 });
        }
        slot?.lease.release(this.#now());
      }
    }
    if (!lastError) throw nothingUsable(call.model, plan, this.options.states, this.#now());
    throw failures.length > 1 ? allFailed(lastError, failures) : lastError.with({ attempts: failures });
  }

  /** Takes a place at a target at once, before anything is waited for. */
  #acquire({ call, facts }: Run, candidate: RouteCandidate, now: number): AcquiredSlot {
    const { state } = candidate;
    const queueTenant = state.gate ? queueTenantOf(facts) : undefined;
    return { candidate, lease: state.begin(now, call.stream, queueTenant) };
  }

  /** Tries one target, or two where the first is slow to begin and the model is hedged. */
  #try(run: Run, plan: RoutePlan, slot: AcquiredSlot): Promise<InferenceAnswer> {
    const { call, context, snapshot } = run;
    const { target, route } = slot.candidate;
    const { adapter } = target.provider;
    if (call.operation === 'count-tokens' && !adapter.countsTokens) {
      return this.#estimate(context, call, target);
    }
    const urls = adapter.mediaToInline?.(call, target);
    // What has to be fetched first is slow anyway, and so not hedged.
    if (urls && urls.length > 0) {
      return this.#fetchMedia(urls, context).then((media) => this.#begin(run, slot, media).answer);
    }
    const hedging = call.stream && run.hedged !== false ? snapshot.router.hedging(route) : undefined;
    return hedging ? this.#hedged(run, plan, slot, hedging) : this.#begin(run, slot, NO_MEDIA).answer;
  }

  async #hedged(
    run: Run,
    plan: RoutePlan,
    slot: AcquiredSlot,
    { settings, budget }: Hedging,
  ): Promise<InferenceAnswer> {
    const { clock } = this.options;
    const { context, snapshot } = run;
    const hedgeGroup = new HedgeGroup();
    context.onAbort((reason) => hedgeGroup.cancel(reason));
    const first = this.#begin(run, slot, NO_MEDIA, hedgeGroup);
    const settled = first.answer.then(
      () => true,
      () => true,
    );
    const { route, state, target } = slot.candidate;
    const usual = state.firstEvent.quantile(0.95);
    const after = settings.afterMs ?? (usual === undefined ? undefined : usual * HEDGE_MARGIN);
    if (after === undefined) return first.answer;
    const timer = new AbortController();
    const slow = clock.sleep(after, timer.signal).then(
      () => false,
      () => true,
    );
    const early = await Promise.race([settled, slow]);
    timer.abort();
    if (early || context.aborted) return first.answer;
    const other = plan.hedgeCandidate(
      this.#now(),
      (one) =>
        one.provider.lazyEngine?.loaded !== false &&
        (one.provider.adapter.mediaToInline?.(run.call, one) ?? []).length === 0 &&
        snapshot.router.affordable(target, one, route, settings.maxPriceRatio) &&
        budget.spend(),
    );
    if (!other) return first.answer;
    const second = this.#begin(run, this.#acquire(run, other.candidate, this.#now()), NO_MEDIA, hedgeGroup);
    second.trace.hedge = 'began';
    try {
      const answer = await Promise.any([first.answer, second.answer]);
      hedgeGroup.cancel(anotherWasFaster(), context.answeredBy);
      return answer;
    } catch (thrown) {
      const [one, two]: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
      if (two !== undefined) plan.failed(asGatewayError(one));
      throw two ?? one;
    }
  }

  /** Waits for an engine, which may take minutes. */
  async #untilLoaded({ ready, cancel }: Loading, context: RequestContext): Promise<void> {
    const { deadlines } = this.options;
    const over = Promise.withResolvers<never>();
    const watched: Watched = {
      slot: -1,
      expiresAt: context.deadlineAt,
      expire: () => over.reject(deadlineExceeded()),
    };
    deadlines.watch(watched);
    context.onAbort((reason) => over.reject(reason));
    const since = this.#now();
    context.heldUp?.();
    try {
      await Promise.race([ready, over.promise]);
    } finally {
      cancel();
      deadlines.unwatch(watched);
      context.onAbort(undefined);
      context.loadingMs += this.#now() - since;
    }
  }

  /** Sends one attempt; its answer settles when it is committed, or has failed before that. */
  #begin(
    run: Run,
    slot: AcquiredSlot,
    media: ReadonlyMap<string, InlineMedia>,
    hedgeGroup?: HedgeGroup,
  ): UpstreamAttempt {
    const sent = new UpstreamAttempt(this.options, this.#now, run, slot, media, hedgeGroup);
    sent.start();
    return sent;
  }

  /**
   * Takes what an attempt may use from the limits of its target.
   * @throws GatewayError `model_busy`: another target may have room
   */
  async #admit(
    { snapshot, context, facts }: Run,
    { target, route }: RouteCandidate,
  ): Promise<LimitReservation | undefined> {
    try {
      return await this.options.limiter?.admit({
        principal: NOBODY,
        tags: context.tags,
        more: target.limits,
        tokens: () => expectedTokens(facts),
        nanoUsd: (now) => expectedNanoUsd(snapshot.prices, [target], route.facts, facts, now),
      });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 429) throw error;
      throw new GatewayError('model_busy', error.message, { ...error.details });
    }
  }

  /** Waits, unless the request is over before. */
  async #pause(ms: number, context: RequestContext): Promise<void> {
    const controller = new AbortController();
    context.onAbort((reason) => controller.abort(reason));
    try {
      await this.options.clock.sleep(ms, controller.signal);
    } catch (error) {
      throw context.aborted ?? error;
    } finally {
      context.onAbort(undefined);
    }
  }

  /** Fetches until it is done or the request is over. */
  async #fetchMedia(
    urls: readonly string[],
    context: RequestContext,
  ): Promise<ReadonlyMap<string, InlineMedia>> {
    const controller = new AbortController();
    context.onAbort((reason) => controller.abort(reason));
    try {
      return await this.options.media.fetch(urls, controller.signal);
    } finally {
      context.onAbort(undefined);
    }
  }

  async #estimate(context: RequestContext, call: CountTokensCall, target: Target): Promise<InferenceAnswer> {
    const tokens = await this.options.estimateTokens(call.chat(), target.model);
    const message = 'The provider does not count tokens itself: this number is an estimate.';
    context.warnings = [{ kind: 'changed', param: 'input_tokens', message }];
    if (context.strict) throw refusal(target, context.warnings);
    context.complete({ kind: 'done' });
    const result = { text: call.render(tokens), usage: undefined, finishReason: undefined };
    return { kind: 'buffered', target, result };
  }
}

function queueTenantOf({ tenant, weight, inputTokens, outputTokens }: RequestFacts): QueueTenant {
  return { tenant, weight, inputTokens, outputTokens };
}
