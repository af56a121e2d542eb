import type { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { Participation } from './experiments/experiments.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';
import type { RequestFacts } from './request-facts.ts';
import { backoffMs, isRepeatable, type RetryBudget, type RetrySettings } from './retry.ts';
import { type EvaluatedTarget, type RouteCandidate, RoutingDecision } from './routing-decision.ts';

/** The next action for a request. */
export type Step =
  | { readonly kind: 'try'; readonly candidate: RouteCandidate }
  /** Every available target is at its concurrency limit: queue for a slot on one of them. */
  | { readonly kind: 'queue'; readonly busy: readonly RouteCandidate[] }
  /** No target can be tried now; call again after this many milliseconds. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'none' };

const NOTHING: Step = { kind: 'none' };

/** The targets of one model, in the order of its strategy. */
export interface Order {
  /** In the order in which to try them. */
  readonly candidates: readonly RouteCandidate[];
  /** Targets to try after `candidates`, in any order; may repeat candidates. */
  readonly rest?: readonly RouteCandidate[];
  /** Every target of the model that constraints do not rule out, by index. */
  readonly all: readonly RouteCandidate[];
  readonly excluded: readonly EvaluatedTarget[];
  /** Every target is healthy and unlimited, so the plan reads no state before it tries one. */
  readonly allHealthy: boolean;
}

/** The part of the router that a plan uses. */
export interface PlanRouter {
  readonly retry: RetrySettings;
  readonly random: () => number;
  /** @returns the targets of one model in the order in which to try them, and those that constraints rule out */
  order(route: ModelRoute, facts: RequestFacts, now: number): Order;
  resolve(name: string): ModelRoute | undefined;
}

interface Stage {
  readonly route: ModelRoute;
  readonly reason: RoutingDecision['reason'];
}

/** Failures after which another model may succeed, and the kind of fallback for each. */
const FALLBACK_REASONS: Readonly<Record<string, FallbackReason>> = {
  context_length_exceeded: 'context_window',
  content_policy_violation: 'content_policy',
  upstream_rate_limited: 'rate_limit',
  model_busy: 'rate_limit',
};

/**
 * The order of attempts of one request: every available target once, then those of the fallbacks, then another round
 * after a backoff, while the attempt limit, the deadline and the retry budget allow it.
 */
export class RoutePlan {
  attempts = 0;
  readonly #decisions: RoutingDecision[] = [];
  /** The model that each round starts with. */
  #first: ModelRoute;
  /** Models to open later in this round. Lists are undefined until needed: most requests need none. */
  #stages: Stage[] | undefined;
  #opened = false;
  /** Models that were opened in this round. */
  #visited: string[] | undefined;
  #attempted: TargetState[] | undefined;
  #queue: RouteCandidate[] | undefined;
  /** Appended to the queue when that is empty, without the targets that were tried. */
  #rest: readonly RouteCandidate[] | undefined;
  /** Targets at their concurrency limit. */
  #busy: RouteCandidate[] | undefined;
  /** Targets that are cooling down or ejected: tried after all others. */
  #coolingDown: RouteCandidate[] | undefined;
  /** States of targets that are unavailable for now. */
  #unavailable: TargetState[] | undefined;
  /** States of targets that are not tried again, whatever the others do. */
  #final: TargetState[] | undefined;
  #round = 0;
  /** Attempts before this round. */
  #attemptsBefore = 0;
  #lastError: GatewayError | undefined;

  constructor(
    route: ModelRoute,
    private readonly router: PlanRouter,
    private readonly facts: RequestFacts,
    private readonly budget: RetryBudget,
    /** The experiment that the request is part of. */
    readonly participation?: Participation,
    /** The requested model, where a variant of it is tried first. */
    private readonly backup?: ModelRoute,
  ) {
    this.#first = route;
  }

  /** One decision per opened model, in order. */
  get decisions(): readonly RoutingDecision[] {
    return this.#decisions;
  }

  /**
   * @param now monotonic milliseconds
   * @param deadlineAt the same clock; no wait extends beyond it
   */
  next(now: number, deadlineAt: number): Step {
    if (!this.#opened) {
      this.#opened = true;
      this.#open(this.#first, 'asked', now);
    }
    for (;;) {
      const candidate = this.#queue?.shift();
      if (candidate) {
        // Other requests may have changed its state since it was queued.
        const reason = candidate.state.unavailable(now, this.facts.operation);
        if (reason !== undefined) this.#defer(candidate, reason);
        else if (candidate.state.full) this.#busy = append(this.#busy, candidate);
        else return this.#try(candidate);
        continue;
      }
      if (this.#expandTiers()) continue;
      if (this.#busy) return { kind: 'queue', busy: this.#busy };
      const stage = this.#stages?.shift();
      if (stage) {
        this.#open(stage.route, stage.reason, now);
        continue;
      }
      const coolingDown = this.#coolingDown?.shift();
      return coolingDown ? this.#try(coolingDown) : this.#nextRound(now, deadlineAt);
    }
  }

  /** Call after a queued request got a slot on one of the busy targets. */
  queueAdmitted(candidate: RouteCandidate): Step & { readonly kind: 'try' } {
    this.#queue = this.#busy?.filter((one) => one !== candidate);
    this.#busy = undefined;
    return this.#try(candidate);
  }

  /** Call after every busy target became unavailable while the request was queued: their states are read again. */
  queueAbandoned(): void {
    this.#queue = this.#busy;
    this.#busy = undefined;
  }

  /**
   * Call after the queue rejected the request.
   * @returns whether another target may be tried
   */
  queueRejected(error: GatewayError): boolean {
    this.#busy = undefined;
    return this.failed(error);
  }

  /** Drops all remaining targets and continues with another model. */
  switchRoute(route: ModelRoute, reason: RoutingDecision['reason']): void {
    this.#queue = undefined;
    this.#rest = undefined;
    this.#busy = undefined;
    this.#coolingDown = undefined;
    this.#first = route;
    this.#stages = [{ route, reason }];
  }

  /** Appends the remaining targets to the queue. @returns whether there were any */
  #expandTiers(): boolean {
    const rest = this.#rest;
    if (!rest) return false;
    this.#rest = undefined;
    const listed = [...(this.#queue ?? []), ...(this.#coolingDown ?? []), ...(this.#busy ?? [])];
    for (const candidate of rest) {
      const known =
        listed.includes(candidate) ||
        (this.#attempted?.includes(candidate.state) ?? false) ||
        (this.#unavailable?.includes(candidate.state) ?? false) ||
        (this.#final?.includes(candidate.state) ?? false);
      if (!known) this.#queue = append(this.#queue, candidate);
    }
    return true;
  }

  /**
   * @param accepts whether a target may be hedged to
   * @returns another target of the same model for a hedged attempt; undefined where none is available
   */
  hedgeCandidate(
    now: number,
    accepts: (target: Target) => boolean,
  ): (Step & { readonly kind: 'try' }) | undefined {
    this.#expandTiers();
    const at =
      this.#queue?.findIndex(
        ({ state, target }) =>
          state.unavailable(now, this.facts.operation) === undefined && !state.full && accepts(target),
      ) ?? -1;
    const candidate = this.#queue?.[at];
    if (!candidate || !this.#queue) return undefined;
    this.#queue.splice(at, 1);
    return this.#try(candidate);
  }

  #try(candidate: RouteCandidate): Step & { readonly kind: 'try' } {
    this.#attempted = append(this.#attempted, candidate.state);
    this.attempts += 1;
    this.#decisions.at(-1)?.recordTried(candidate);
    return { kind: 'try', candidate };
  }

  #defer(candidate: RouteCandidate, reason: Unavailable): void {
    if (reason === 'cooling_down' || reason === 'ejected')
      this.#coolingDown = append(this.#coolingDown, candidate);
    else this.#unavailable = append(this.#unavailable, candidate.state);
  }

  /** Call for a target that would fail this request again, or asked not to be tried again. */
  neverRepeat(state: TargetState): void {
    this.#final = append(this.#final, state);
  }

  /**
   * Call after an attempt failed.
   * @returns whether another target may be tried
   */
  failed(error: GatewayError): boolean {
    this.#lastError = error;
    const reason = FALLBACK_REASONS[error.code];
    const fallbacks = reason === undefined ? [] : this.#routes(this.#first.fallbacksOn[reason] ?? [], reason);
    if (fallbacks.length > 0) {
      // The request itself is the cause: other targets of this model would reject it too.
      if (!error.retryable) {
        this.#queue = undefined;
        this.#rest = undefined;
      }
      this.#stages = error.retryable ? [...fallbacks, ...(this.#stages ?? [])] : fallbacks;
      return true;
    }
    if (error.retryable) return true;
    // The requested model may accept a request that the variant rejected.
    if (this.backup && error.code === 'upstream_rejected' && !this.#visited?.includes(this.backup.id)) {
      this.switchRoute(this.backup, 'general');
      return true;
    }
    return false;
  }

  /** @returns the monotonic milliseconds at which a target becomes available; Infinity where that is not known */
  availableAt(now: number): number {
    return Math.min(
      ...(this.#unavailable ?? []).map((state) => state.availableAt(now, this.facts.operation)),
    );
  }

  /** The fallbacks with these names that the key may use, and that were not opened in this round. */
  #routes(names: readonly string[], reason: FallbackReason): Stage[] {
    return names.flatMap((name) => {
      const route = this.router.resolve(name);
      if (!route || this.#visited?.includes(route.id)) return [];
      return this.facts.modelScope?.allows([name, route.id], reason) === false ? [] : [{ route, reason }];
    });
  }

  #open(route: ModelRoute, reason: RoutingDecision['reason'], now: number): void {
    if (this.#visited?.includes(route.id)) return;
    this.#visited = append(this.#visited, route.id);
    const { candidates, rest, all, excluded, allHealthy } = this.router.order(route, this.facts, now);
    const decision = new RoutingDecision(route, reason, now, all, excluded);
    this.#decisions.push(decision);
    this.#rest = rest;
    if (allHealthy && this.#attempted === undefined && this.#final === undefined)
      this.#queue = [...candidates];
    else this.#evaluate(candidates, decision, now);
    if (this.backup && route === this.#first) {
      this.#stages = append(this.#stages, { route: this.backup, reason: 'general' });
    }
    // A model's own fallbacks come before those of the models before it.
    if (route.fallbacks.length > 0) {
      this.#stages = [...this.#routes(route.fallbacks, 'general'), ...(this.#stages ?? [])];
    }
  }

  #evaluate(candidates: readonly RouteCandidate[], decision: RoutingDecision, now: number): void {
    for (const candidate of candidates) {
      const { state } = candidate;
      const reason = state.unavailable(now, this.facts.operation);
      decision.record(candidate, reason ?? (state.full ? 'busy' : undefined));
      if (this.#attempted?.includes(state) || this.#final?.includes(state)) continue;
      if (reason === undefined) this.#queue = append(this.#queue, candidate);
      else this.#defer(candidate, reason);
    }
  }

  /** Every target was tried once: starts another round after a backoff, where that may help. */
  #nextRound(now: number, deadlineAt: number): Step {
    const { retry, random } = this.router;
    const error = this.#lastError;
    if (error === undefined || this.attempts >= retry.attempts || !isRepeatable(error.code)) return NOTHING;
    // A round that found nothing to try is the last one: a probe of another request may still be running.
    if (this.attempts === this.#attemptsBefore) return NOTHING;
    const retryAfterMs = (error.details.retryAfterSeconds ?? 0) * 1_000;
    const pause = Math.max(backoffMs(retry, this.#round, random), retryAfterMs);
    const unavailableMs = this.#nextUsableAt(now) - now;
    // The request may have opened the breaker itself: it does not wait until a probe is due.
    if (unavailableMs > Math.max(pause, retry.maxMs)) return NOTHING;
    const ms = Math.max(pause, unavailableMs);
    if (ms > MAX_WAIT_MS || now + ms >= deadlineAt || !this.budget.spend(now)) return NOTHING;
    this.#round += 1;
    this.#attemptsBefore = this.attempts;
    this.#visited = undefined;
    this.#attempted = undefined;
    this.#unavailable = undefined;
    this.#stages = undefined;
    this.#coolingDown = undefined;
    this.#busy = undefined;
    this.#opened = false;
    return { kind: 'wait', ms };
  }

  /** @returns the monotonic milliseconds at which a further round has a target to try; Infinity where it has none */
  #nextUsableAt(now: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const state of [...(this.#attempted ?? []), ...(this.#unavailable ?? [])]) {
      if (this.#final?.includes(state)) continue;
      const reason = state.unavailable(now, this.facts.operation);
      // Targets that cool down or are ejected are tried when there are no others.
      const isTried = reason === undefined || reason === 'cooling_down' || reason === 'ejected';
      earliest = Math.min(earliest, isTried ? now : state.availableAt(now, this.facts.operation));
    }
    return earliest;
  }
}

function append<T>(list: T[] | undefined, item: T): T[] {
  if (list === undefined) return [item];
  list.push(item);
  return list;
}

/** The longest wait before another round, in milliseconds; beyond it, clients get the error. */
const MAX_WAIT_MS = 30_000;
