import type { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { Participation } from './experiments/experiments.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';
import type { RequestFacts } from './request-facts.ts';
import { backoffMs, isRepeatable, type RetryBudget, type RetrySettings } from './retry.ts';
import { type EvaluatedTarget, type RouteCandidate, RoutingDecision } from './routing-decision.ts';

/** What to do next for a request. */
export type Step =
  | { readonly kind: 'try'; readonly candidate: RouteCandidate }
  /** All that can be used have as many attempts as they may have: wait for a place at one of them. */
  | { readonly kind: 'queue'; readonly busy: readonly RouteCandidate[] }
  /** Nothing can be tried now; ask again after so many milliseconds. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'none' };

const NOTHING: Step = { kind: 'none' };

export interface Order {
  /** In the order in which to try them. */
  readonly candidates: readonly RouteCandidate[];
  /** Those that come after them in any order; what is in `places` may be there too. */
  readonly rest?: readonly RouteCandidate[];
  /** All of the model, by their index. */
  readonly all: readonly RouteCandidate[];
  readonly excluded: readonly EvaluatedTarget[];
  /** Nothing is the matter with any of them, so none has to be looked at before it is its turn. */
  readonly allHealthy: boolean;
}

/** What a plan needs of the router. */
export interface PlanRouter {
  readonly retry: RetrySettings;
  readonly random: () => number;
  /** The targets of one model in the order in which to try them, and those that constraints rule out. */
  order(route: ModelRoute, facts: RequestFacts, now: number): Order;
  resolve(name: string): ModelRoute | undefined;
}

interface Stage {
  readonly route: ModelRoute;
  readonly reason: RoutingDecision['reason'];
}

/** Failures that another model may cure, and what fallbacks for them are called. */
const FALLBACK_REASONS: Readonly<Record<string, FallbackReason>> = {
  context_length_exceeded: 'context_window',
  content_policy_violation: 'content_policy',
  upstream_rate_limited: 'rate_limit',
  model_busy: 'rate_limit',
};

/**
 * Decides, for one request, what is tried next: each target that can be used once, then the fallbacks', then all of it
 * again after a pause, as long as attempts, time and the budget for retries allow.
 */
export class RoutePlan {
  attempts = 0;
  readonly #decisions: RoutingDecision[] = [];
  /** Where a round begins. */
  #first: ModelRoute;
  /** Models that wait for their turn; undefined once none is left, or none ever was. */
  #stages: Stage[] | undefined;
  #opened = false;
  /** Models that were opened in this round. */
  #visited: string[] | undefined;
  #attempted: TargetState[] | undefined;
  #queue: RouteCandidate[] | undefined;
  /** Comes after the queue, without those that were tried. */
  #rest: readonly RouteCandidate[] | undefined;
  /** Those that have as many attempts as they may have. */
  #busy: RouteCandidate[] | undefined;
  /** Over their limits, as they said themselves: tried when there is nothing else. */
  #coolingDown: RouteCandidate[] | undefined;
  /** Left out because of their condition, which may change. */
  #unavailable: TargetState[] | undefined;
  #round = 0;
  #lastError: GatewayError | undefined;

  constructor(
    route: ModelRoute,
    private readonly router: PlanRouter,
    private readonly facts: RequestFacts,
    private readonly budget: RetryBudget,
    /** The experiment that the request takes part in. */
    readonly participation?: Participation,
    /** The model that was asked for, where another is tried first. */
    private readonly backup?: ModelRoute,
  ) {
    this.#first = route;
  }

  /** Every model whose targets were looked at, in order. */
  get decisions(): readonly RoutingDecision[] {
    return this.#decisions;
  }

  next(now: number, deadlineAt: number): Step {
    if (!this.#opened) {
      this.#opened = true;
      this.#open(this.#first, 'asked', now);
    }
    for (;;) {
      const candidate = this.#queue?.shift();
      if (candidate) {
        // It may have failed for others while this request was busy elsewhere.
        const reason = candidate.state.unavailable(now);
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

  /** There is a place at one of those that were busy. */
  queueAdmitted(candidate: RouteCandidate): Step & { readonly kind: 'try' } {
    this.#queue = this.#busy?.filter((one) => one !== candidate);
    this.#busy = undefined;
    return this.#try(candidate);
  }

  /** What was busy can't be used any more, so another look is due. */
  queueAbandoned(): void {
    this.#queue = this.#busy;
    this.#busy = undefined;
  }

  /** There was no place in time. @returns whether anything may still be tried */
  queueRejected(error: GatewayError): boolean {
    this.#busy = undefined;
    return this.failed(error);
  }

  /** From now on another model is tried, and nothing of what was left. */
  switchRoute(route: ModelRoute, reason: RoutingDecision['reason']): void {
    this.#queue = undefined;
    this.#rest = undefined;
    this.#busy = undefined;
    this.#coolingDown = undefined;
    this.#first = route;
    this.#stages = [{ route, reason }];
  }

  /** Puts the rest into the queue. @returns whether there was any */
  #expandTiers(): boolean {
    const rest = this.#rest;
    if (!rest) return false;
    this.#rest = undefined;
    const passed = [...(this.#queue ?? []), ...(this.#coolingDown ?? []), ...(this.#busy ?? [])];
    for (const candidate of rest) {
      const known =
        passed.includes(candidate) ||
        (this.#attempted?.includes(candidate.state) ?? false) ||
        (this.#unavailable?.includes(candidate.state) ?? false);
      if (!known) this.#queue = append(this.#queue, candidate);
    }
    return true;
  }

  /** Another target of the same model to ask beside one that is slow; undefined when there is none that will do. */
  hedgeCandidate(
    now: number,
    accepts: (target: Target) => boolean,
  ): (Step & { readonly kind: 'try' }) | undefined {
    this.#expandTiers();
    const at =
      this.#queue?.findIndex(
        ({ state, target }) => state.unavailable(now) === undefined && !state.full && accepts(target),
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

  /** @returns whether anything may still be tried */
  failed(error: GatewayError): boolean {
    this.#lastError = error;
    const reason = FALLBACK_REASONS[error.code];
    const fallbacks = reason === undefined ? [] : this.#routes(this.#first.fallbacksOn[reason] ?? [], reason);
    if (fallbacks.length > 0) {
      // The request itself is at fault: more of the same would fail the same way.
      if (!error.retryable) {
        this.#queue = undefined;
        this.#rest = undefined;
      }
      this.#stages = error.retryable ? [...fallbacks, ...(this.#stages ?? [])] : fallbacks;
      return true;
    }
    if (error.retryable) return true;
    // What a new version refuses, the one that was asked for may answer.
    if (this.backup && error.code === 'upstream_rejected' && !this.#visited?.includes(this.backup.id)) {
      this.switchRoute(this.backup, 'general');
      return true;
    }
    return false;
  }

  /** When something can be used again, as far as is known. */
  availableAt(now: number): number {
    return Math.min(...(this.#unavailable ?? []).map((state) => state.availableAt(now)));
  }

  #routes(names: readonly string[], reason: FallbackReason): Stage[] {
    return names.flatMap((name) => {
      const route = this.router.resolve(name);
      return route && !this.#visited?.includes(route.id) ? [{ route, reason }] : [];
    });
  }

  #open(route: ModelRoute, reason: RoutingDecision['reason'], now: number): void {
    if (this.#visited?.includes(route.id)) return;
    this.#visited = append(this.#visited, route.id);
    const { candidates, rest, all, excluded, allHealthy } = this.router.order(route, this.facts, now);
    const decision = new RoutingDecision(route, reason, now, all, excluded);
    this.#decisions.push(decision);
    this.#rest = rest;
    if (allHealthy && this.#attempted === undefined) this.#queue = [...candidates];
    else this.#evaluate(candidates, decision, now);
    if (this.backup && route === this.#first) {
      this.#stages = append(this.#stages, { route: this.backup, reason: 'general' });
    }
    // Its own fallbacks come before those that were waiting already.
    if (route.fallbacks.length > 0) {
      this.#stages = [...this.#routes(route.fallbacks, 'general'), ...(this.#stages ?? [])];
    }
  }

  #evaluate(candidates: readonly RouteCandidate[], decision: RoutingDecision, now: number): void {
    for (const candidate of candidates) {
      const { state } = candidate;
      const reason = state.unavailable(now);
      decision.record(candidate, reason ?? (state.full ? 'busy' : undefined));
      if (this.#attempted?.includes(state)) continue;
      if (reason === undefined) this.#queue = append(this.#queue, candidate);
      else this.#defer(candidate, reason);
    }
  }

  /** Everything has been tried once: wait, and begin again, if that makes sense. */
  #nextRound(now: number, deadlineAt: number): Step {
    const { retry, random } = this.router;
    const error = this.#lastError;
    if (error === undefined || this.attempts >= retry.attempts || !isRepeatable(error.code)) return NOTHING;
    const retryAfterMs = (error.details.retryAfterSeconds ?? 0) * 1_000;
    const ms = Math.max(backoffMs(retry, this.#round, random), retryAfterMs);
    if (ms > LONGEST_WAIT_MS || now + ms >= deadlineAt || !this.budget.spend(now)) return NOTHING;
    this.#round += 1;
    this.#visited = undefined;
    this.#attempted = undefined;
    this.#unavailable = undefined;
    this.#stages = undefined;
    this.#coolingDown = undefined;
    this.#busy = undefined;
    this.#opened = false;
    return { kind: 'wait', ms };
  }
}

function append<T>(list: T[] | undefined, item: T): T[] {
  if (list === undefined) return [item];
  list.push(item);
  return list;
}

/** A client would rather know than wait longer than this for a second try. Milliseconds. */
const LONGEST_WAIT_MS = 30_000;
