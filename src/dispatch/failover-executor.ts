import { wallTimeOf } from '../core/clock.ts';
import { CompleteResult } from '../core/complete-result.ts';
import { type AttemptFailure, asGatewayError, GatewayError } from '../core/errors.ts';
import type { CountTokensCall, EmbeddingCall, InferenceCall } from '../core/inference.ts';
import { DEFAULT_TENANT, type Principal } from '../core/principal.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { InlineMedia, Target } from '../providers/types.ts';
import type { RoutePlan } from '../routing/plan.ts';
import { RequestFacts } from '../routing/request-facts.ts';
import type { RouteCandidate } from '../routing/routing-decision.ts';
import { type AcquiredSlot, AdmissionQueue, queueTenantOf } from './admission-queue.ts';
import { allFailed, deadlineExceeded, noUsableTarget, unsupportedByTarget } from './dispatch-errors.ts';
import { countAtEngine } from './engine-token-count.ts';
import { waitForEngine } from './engine-wait.ts';
import { HedgedDispatch } from './hedged-dispatch.ts';
import type { InferenceResponse } from './inference-response.ts';
import { MicroBatcher } from './micro-batcher.ts';
import type { DispatchOptions } from './options.ts';
import { type DispatchScope, throwIfAborted } from './request.ts';
import { dispatchSplit, type SplitRun } from './split-embedding.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** A target's own limits count all its users together, so no principal's limits take part. */
const ANY_PRINCIPAL: Principal = {
  kind: 'admin',
  tenant: DEFAULT_TENANT,
  keyId: '',
  keyName: '',
  tier: 'none',
  limits: [],
};

/**
 * The innermost step of the chain: tries targets in the plan's order, one after the other or two beside each other, until one
 * responds. Further calls for the same request continue its plan.
 */
export class FailoverExecutor {
  readonly #options: DispatchOptions;
  readonly #queue: AdmissionQueue;
  readonly #hedging: HedgedDispatch;
  readonly #microBatcher: MicroBatcher;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#queue = new AdmissionQueue(options);
    this.#hedging = new HedgedDispatch(options);
    this.#microBatcher = new MicroBatcher(options);
  }

  /**
   * @returns the response of the first target that responds; a stream has its first event by then
   * @throws GatewayError the last failure, with every attempt's failure in `details.attempts`
   */
  readonly dispatch = async (call: InferenceCall, scope: DispatchScope): Promise<InferenceResponse> => {
    const { clock, router } = this.#options;
    const { routing, identity, controls } = scope.request;
    const { route } = routing;
    if (!route) throw new GatewayError('internal_error', 'The model was not resolved before dispatch.');
    const { tenant, weight, residency } = identity.principal;
    const { modelScope, preference } = routing;
    // Here, because every call of a request passes it: those of guardrails, caches, mirrors and hedges, too.
    const constraints = residency
      ? { ...controls.constraints, residency: residency.allowed }
      : controls.constraints;
    const facts = new RequestFacts(call, tenant, constraints, weight, modelScope, preference);
    let now = clock.now();
    let plan = routing.plan;
    if (!plan) {
      plan = router.plan(route, facts, now);
      routing.plan = plan;
      if (plan.participation) routing.needsCost = true;
    }
    const failures: AttemptFailure[] = [];
    let lastError: GatewayError | undefined;
    for (; ; now = clock.now()) {
      throwIfAborted(scope);
      if (now >= scope.deadlineAt) throw deadlineExceeded().with({ attempts: failures });
      const step = plan.next(now, scope.deadlineAt);
      if (step.kind === 'none') break;
      if (step.kind === 'wait') {
        await this.#pause(step.ms, scope);
        continue;
      }
      const before = routing.attempts.length;
      let slot: AcquiredSlot | undefined;
      try {
        if (step.kind === 'try') slot = acquire(call, facts, step.candidate, now);
        else {
          slot = await this.#queue.enter(step.busy, queueTenantOf(facts), call, scope);
          if (!slot) {
            plan.queueAbandoned();
            continue;
          }
          plan.queueAdmitted(slot.candidate);
        }
        const preparing = this.#prepare(call, scope, slot.candidate);
        const overflow = preparing && (await preparing);
        if (overflow) {
          // Another target's window may be larger.
          lastError = overflow;
          plan.failed(overflow);
          continue;
        }
        if (slot.candidate.target.limits) {
          slot = { ...slot, reservation: await this.#reserve(scope, facts, slot.candidate) };
        }
        throwIfAborted(scope);
        const response = await this.#try(call, scope, facts, plan, slot);
        if (response.source.kind === 'target') {
          router.recordResponse(slot.candidate.route, response.source.target, facts, clock.now());
        }
        return response;
      } catch (thrown) {
        lastError = asGatewayError(thrown);
        for (const { failure } of routing.attempts.slice(before)) if (failure) failures.push(failure);
        const canContinue = slot ? plan.failed(lastError) : plan.queueRejected(lastError);
        if (scope.signal.aborted || !canContinue) throw lastError.with({ attempts: failures });
      } finally {
        if (slot) this.#release(slot, scope);
      }
    }
    if (!lastError) throw noUsableTarget(call.model, plan, this.#options.states, clock.now());
    throw failures.length > 1 ? allFailed(lastError, failures) : lastError.with({ attempts: failures });
  };

  /** Releases what no attempt took over. */
  #release({ reservation, lease }: AcquiredSlot, { request }: DispatchScope): void {
    if (reservation && !request.routing.attempts.some((one) => one.reservation === reservation)) {
      reservation.settle({ tokens: 0, nanoUsd: 0 });
    }
    lease.release(this.#options.clock.now());
  }

  /** Waits for the target's engine. @returns the error where the conversation does not fit the target */
  #prepare(
    call: InferenceCall,
    scope: DispatchScope,
    { target, route }: RouteCandidate,
  ): Promise<GatewayError | undefined> | undefined {
    const { contextWindows } = this.#options;
    const loading = target.provider.lazyEngine?.ensureLoaded();
    if (!loading) return contextWindows.check(call, target, route.facts);
    return waitForEngine(loading, scope, this.#options).then(() =>
      contextWindows.check(call, target, route.facts),
    );
  }

  /** Tries one target; two, where the model is hedged and the first is slow to respond. */
  async #try(
    call: InferenceCall,
    scope: DispatchScope,
    facts: RequestFacts,
    plan: RoutePlan,
    slot: AcquiredSlot,
  ): Promise<InferenceResponse> {
    const { target, route } = slot.candidate;
    const { adapter } = target.provider;
    if (call.operation === 'count-tokens' && !adapter.countsTokens) {
      return this.#countTokens(scope, call, target);
    }
    const size = call.operation === 'embedding' ? adapter.maxEmbeddingInputs?.(target) : undefined;
    if (call.operation === 'embedding' && size !== undefined && call.embedding.inputs.length > size) {
      return dispatchSplit(this.#options, this.#splitRun(call, scope, facts, slot, size));
    }
    const urls = adapter.mediaToInline?.(call, target);
    // Fetching media makes an attempt slow anyway: it is not hedged.
    const fetched = urls && urls.length > 0 ? await this.#options.media.fetch(urls, scope.signal) : undefined;
    const hedging = call.stream && !fetched ? this.#options.router.hedging(route) : undefined;
    if (hedging) {
      return this.#hedging.run({
        call,
        scope,
        plan,
        slot,
        hedging,
        facts,
        acquire: (candidate, now) => acquire(call, facts, candidate, now),
      });
    }
    const join =
      call.operation === 'embedding' && route.microBatch
        ? this.#microBatcher.joinOf(call, scope, slot.candidate, size)
        : undefined;
    const media = fetched ?? NO_MEDIA;
    const attempt = new UpstreamAttempt(this.#options, call, scope, slot, media, undefined, join);
    attempt.start();
    return attempt.response;
  }

  #splitRun(
    call: EmbeddingCall,
    scope: DispatchScope,
    facts: RequestFacts,
    slot: AcquiredSlot,
    size: number,
  ): SplitRun {
    const { candidate } = slot;
    const { tenant, weight, constraints } = facts;
    return {
      ...{ call, scope, slot, size },
      acquire: async (branch, mayWait) => {
        const { clock, states } = this.#options;
        if (!candidate.state.full) return acquire(call, facts, candidate, clock.now());
        if (!mayWait) return undefined;
        const queued = await this.#queue.enter([candidate], queueTenantOf(facts), call, branch);
        if (queued) return queued;
        const { plan } = scope.request.routing;
        throw plan
          ? noUsableTarget(call.model, plan, states, clock.now())
          : new GatewayError('internal_error', 'A call was split before it was routed.');
      },
      reserve: (part) => this.#reserve(scope, new RequestFacts(part, tenant, constraints, weight), candidate),
    };
  }

  /**
   * Reserves the attempt's expected use from the target's own limits.
   * @throws GatewayError `model_busy`: another target may have room
   */
  async #reserve(
    { request }: DispatchScope,
    facts: RequestFacts,
    { target, route }: RouteCandidate,
  ): Promise<LimitReservation | undefined> {
    const { limiter, useEstimates, clock } = this.#options;
    const at = wallTimeOf(clock, request.timing.startedAt);
    try {
      return await limiter?.admit({
        principal: ANY_PRINCIPAL,
        tags: request.controls.tags,
        more: target.limits,
        use: useEstimates.of(facts, [{ targets: [target], facts: route.facts }], at),
      });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status !== 429) throw error;
      throw new GatewayError('model_busy', error.message, { ...error.details });
    }
  }

  async #pause(ms: number, { signal }: DispatchScope): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** Counts with the engine's own tokenizer where it has an endpoint for that, else estimates. */
  async #countTokens(
    { request }: DispatchScope,
    call: CountTokensCall,
    target: Target,
  ): Promise<InferenceResponse> {
    const { routing, controls, identity } = request;
    const context = { requestId: identity.id, createdSeconds: 0, warn: () => undefined, media: NO_MEDIA };
    const counted = await countAtEngine(call, target, context);
    if (counted !== undefined) {
      const result = new CompleteResult(call.render(counted), undefined, undefined);
      return { source: { kind: 'target', target }, body: { kind: 'complete', result } };
    }
    const tokens = await this.#options.estimateTokens(call.chat(), target.model);
    const message = 'The provider does not count tokens itself: this number is an estimate.';
    routing.warnings = [{ kind: 'changed', param: 'input_tokens', message }];
    if (controls.strict || routing.route?.strict) throw unsupportedByTarget(target, routing.warnings);
    const result = new CompleteResult(call.render(tokens), undefined, undefined);
    return { source: { kind: 'target', target }, body: { kind: 'complete', result } };
  }
}

/** Takes a concurrency slot at a target, before anything is awaited. */
function acquire(
  call: InferenceCall,
  facts: RequestFacts,
  candidate: RouteCandidate,
  now: number,
): AcquiredSlot {
  const { state } = candidate;
  const queueTenant = state.gate ? queueTenantOf(facts) : undefined;
  return { candidate, lease: state.begin(now, call.stream, queueTenant, false, call.operation) };
}
