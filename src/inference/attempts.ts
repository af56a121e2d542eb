import { type AttemptFailure, asGatewayError, GatewayError } from '../core/errors.ts';
import type { CountTokensCall } from '../core/inference.ts';
import { DEFAULT_TENANT, type Principal } from '../core/principal.ts';
import type { Admission } from '../limits/limiter.ts';
import type { InlineMedia, OnDemand, Target } from '../providers/types.ts';
import type { Payer } from '../routing/admission/target-gate.ts';
import type { Ready } from '../routing/look.ts';
import type { RoutePlan } from '../routing/plan.ts';
import type { RequestFacts } from '../routing/request-facts.ts';
import type { Hedging } from '../routing/router.ts';
import { anotherWasFaster } from './attempt.ts';
import type { RequestContext } from './context.ts';
import type { Watched } from './deadlines.ts';
import { expectedNanoUsd, expectedTokens } from './expected-use.ts';
import { Race } from './race.ts';
import type { InferenceAnswer, InferenceServiceOptions, Run } from './run.ts';
import { SentAttempt } from './sent-attempt.ts';
import { allFailed, deadlineExceeded, nothingUsable, refusal } from './service-errors.ts';
import { type Claim, WaitingRoom } from './waiting-room.ts';

/** What is as slow as the slowest of the usual is not slow yet. */
const HEDGE_MARGIN = 1.05;

const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** Targets' limits are over all, and so nobody's. */
const NOBODY: Principal = {
  ...{ kind: 'admin', tenant: DEFAULT_TENANT, keyId: '', keyName: '', tier: 'none', limits: [] },
};

type Loading = NonNullable<ReturnType<OnDemand['demand']>>;

/** Tries targets, one after the other or two beside each other, until one commits. */
export class Attempts {
  readonly #now = () => this.options.clock.now();
  readonly #waitingRoom: WaitingRoom;

  constructor(private readonly options: InferenceServiceOptions) {
    this.#waitingRoom = new WaitingRoom(options);
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
      let claim: Claim | undefined;
      try {
        if (step.kind === 'try') claim = this.#claim(run, step.ready, now);
        else {
          claim = await this.#waitingRoom.enter(
            step.busy,
            payerOf(facts),
            context,
            snapshot.limits.queueTimeoutMs,
          );
          if (!claim) {
            plan.left();
            continue;
          }
          plan.entered(claim.ready);
        }
        const { route, target } = claim.ready;
        const loading = target.provider.onDemand?.demand();
        if (loading) await this.#untilLoaded(loading, context);
        const fitting = this.options.contextWindows.check(call, target, route.facts);
        const overflow = fitting && (await fitting);
        if (overflow) {
          // Another target's window may be larger, and asking costs nothing.
          lastError = overflow;
          plan.failed(overflow);
          continue;
        }
        if (target.limits) claim = { ...claim, admission: await this.#admit(run, claim.ready) };
        const answer = await this.#try(run, plan, claim);
        snapshot.router.answered(route, answer.target, facts);
        return answer;
      } catch (thrown) {
        lastError = asGatewayError(thrown);
        for (const { failure } of context.attempts.slice(before)) if (failure) failures.push(failure);
        const goOn = claim ? plan.failed(lastError) : plan.refused(lastError);
        if (context.aborted || !goOn) throw lastError.with({ attempts: failures });
      } finally {
        // What no attempt has taken over was not used.
        const admission = claim?.admission;
        if (admission && !context.attempts.some((one) => one.admission === admission)) {
          admission.settle({ tokens: 0, nanoUsd: 0 });
        }
        claim?.ticket.release(this.#now());
      }
    }
    if (!lastError) throw nothingUsable(call.model, plan, this.options.states, this.#now());
    throw failures.length > 1 ? allFailed(lastError, failures) : lastError.with({ attempts: failures });
  }

  /** Takes a place at a target at once, before anything is waited for. */
  #claim({ call, facts }: Run, ready: Ready, now: number): Claim {
    const { state } = ready;
    const payer = state.gate ? payerOf(facts) : undefined;
    return { ready, ticket: state.begin(now, call.stream, payer) };
  }

  /** Tries one target, or two where the first is slow to begin and the model is hedged. */
  #try(run: Run, plan: RoutePlan, claim: Claim): Promise<InferenceAnswer> {
    const { call, context, snapshot } = run;
    const { target, route } = claim.ready;
    const { adapter } = target.provider;
    if (call.operation === 'count-tokens' && !adapter.countsTokens) {
      return this.#estimate(context, call, target);
    }
    const urls = adapter.mediaToInline?.(call, target);
    // What has to be fetched first is slow anyway, and so not hedged.
    if (urls && urls.length > 0) {
      return this.#fetchMedia(urls, context).then((media) => this.#begin(run, claim, media).answer);
    }
    const hedging = call.stream && run.hedged !== false ? snapshot.router.hedging(route) : undefined;
    return hedging ? this.#hedged(run, plan, claim, hedging) : this.#begin(run, claim, NO_MEDIA).answer;
  }

  async #hedged(
    run: Run,
    plan: RoutePlan,
    claim: Claim,
    { settings, budget }: Hedging,
  ): Promise<InferenceAnswer> {
    const { clock } = this.options;
    const { context, snapshot } = run;
    const race = new Race();
    context.onAbort((reason) => race.cancel(reason));
    const first = this.#begin(run, claim, NO_MEDIA, race);
    const settled = first.answer.then(
      () => true,
      () => true,
    );
    const { route, state, target } = claim.ready;
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
    const other = plan.beside(
      this.#now(),
      (one) =>
        one.provider.onDemand?.loaded !== false &&
        (one.provider.adapter.mediaToInline?.(run.call, one) ?? []).length === 0 &&
        snapshot.router.affordable(target, one, route, settings.maxPriceRatio) &&
        budget.spend(),
    );
    if (!other) return first.answer;
    const second = this.#begin(run, this.#claim(run, other.ready, this.#now()), NO_MEDIA, race);
    second.trace.hedge = 'began';
    try {
      const answer = await Promise.any([first.answer, second.answer]);
      race.cancel(anotherWasFaster(), context.answeredBy);
      return answer;
    } catch (thrown) {
      const [one, two]: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown];
      if (two !== undefined) plan.failed(asGatewayError(one));
      throw two ?? one;
    }
  }

  /** Waits for an engine, which may take minutes. */
  async #untilLoaded({ ready, leave }: Loading, context: RequestContext): Promise<void> {
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
      leave();
      deadlines.unwatch(watched);
      context.onAbort(undefined);
      context.loadingMs += this.#now() - since;
    }
  }

  /** Sends one attempt; its answer settles when it is committed, or has failed before that. */
  #begin(run: Run, claim: Claim, media: ReadonlyMap<string, InlineMedia>, race?: Race): SentAttempt {
    const sent = new SentAttempt(this.options, this.#now, run, claim, media, race);
    sent.start();
    return sent;
  }

  /**
   * Takes what an attempt may use from the limits of its target.
   * @throws GatewayError `model_busy`: another target may have room
   */
  async #admit({ snapshot, context, facts }: Run, { target, route }: Ready): Promise<Admission | undefined> {
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

function payerOf({ tenant, weight, inputTokens, outputTokens }: RequestFacts): Payer {
  return { tenant, weight, inputTokens, outputTokens };
}
