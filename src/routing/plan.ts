import type { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';
import { TargetStates } from './health/target-states.ts';
import { backoffMs, isRepeatable, type RetryBudget, type RetrySettings } from './retry.ts';

/** What to do next for a request. */
export type Step =
  | { readonly kind: 'try'; readonly target: Target; readonly route: ModelRoute }
  /** Nothing can be tried now; ask again after so many milliseconds. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'none' };

/** A target that was looked at, and why it was left out if it was. */
export interface Considered {
  readonly target: Target;
  readonly leftOut?: Unavailable | string;
  /** Attempts on it at that moment, and milliseconds for each token of late. */
  readonly inflight?: number;
  readonly pace?: number | undefined;
}

/** One look at a model's targets. */
export interface Look {
  readonly model: string;
  /** Why this model: it was asked for, or it is a fallback for that reason. */
  readonly because: 'asked' | FallbackReason;
  readonly strategy: string;
  readonly at: number;
  /** In the order in which they are tried. */
  readonly considered: readonly Considered[];
}

/** What a plan needs of the router. */
export interface PlanContext {
  readonly retry: RetrySettings;
  readonly budget: RetryBudget;
  readonly random: () => number;
  stateOf(target: Target): TargetState;
  /** The targets of one model in the order in which to try them, and those that constraints rule out. */
  order(
    route: ModelRoute,
    now: number,
  ): { readonly targets: readonly Target[]; readonly ruledOut: readonly Considered[] };
  resolve(name: string): ModelRoute | undefined;
}

interface Stage {
  readonly route: ModelRoute;
  readonly because: Look['because'];
}

/** Failures that another model may cure, and what fallbacks for them are called. */
const CURES: Readonly<Record<string, FallbackReason>> = {
  context_length_exceeded: 'context_window',
  content_policy_violation: 'content_policy',
  upstream_rate_limited: 'rate_limit',
};

/**
 * Decides, for one request, what is tried next: each target that can be used once, then the fallbacks', then all of it
 * again after a pause, as long as attempts, time and the budget for retries allow.
 */
export class RoutePlan {
  readonly looks: Look[] = [];
  attempts = 0;
  #stages: Stage[];
  readonly #first: ModelRoute;
  #visited = new Set<string>();
  #tried = new Set<string>();
  #queue: { readonly target: Target; readonly route: ModelRoute }[] = [];
  /** Over their limits, as they said themselves: tried when there is nothing else. */
  #resting: { readonly target: Target; readonly route: ModelRoute }[] = [];
  /** Left out because of their condition, which may change. */
  #unusable = new Set<TargetState>();
  #round = 0;
  #lastError: GatewayError | undefined;

  constructor(
    route: ModelRoute,
    private readonly context: PlanContext,
  ) {
    this.#first = route;
    this.#stages = [{ route, because: 'asked' }];
  }

  next(now: number, deadlineAt: number): Step {
    for (;;) {
      const ready = this.#queue.shift();
      if (ready) {
        const state = this.context.stateOf(ready.target);
        // It may have failed for others while this request was busy elsewhere.
        const why = state.unavailable(now);
        if (why === undefined) return this.#try(ready);
        if (why === 'cooling_down') this.#resting.push(ready);
        else this.#unusable.add(state);
        continue;
      }
      const stage = this.#stages.shift();
      if (stage) {
        this.#open(stage, now);
        continue;
      }
      const resting = this.#resting.shift();
      return resting ? this.#try(resting) : this.#again(now, deadlineAt);
    }
  }

  #try(ready: { readonly target: Target; readonly route: ModelRoute }): Step {
    this.#tried.add(TargetStates.key(ready.target));
    this.attempts += 1;
    return { kind: 'try', ...ready };
  }

  /** @returns whether anything may still be tried */
  failed(error: GatewayError): boolean {
    this.#lastError = error;
    const reason = CURES[error.code];
    const cures = reason === undefined ? [] : this.#routes(this.#first.fallbacksOn[reason] ?? [], reason);
    if (cures.length > 0) {
      // The request itself is at fault: more of the same would fail the same way.
      if (!error.retryable) this.#queue = [];
      this.#stages = error.retryable ? [...cures, ...this.#stages] : cures;
      return true;
    }
    return error.retryable;
  }

  /** When something can be used again, as far as is known. */
  availableAt(now: number): number {
    const times = [...this.#unusable].map((state) => state.availableAt(now));
    return times.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...times);
  }

  #routes(names: readonly string[], because: FallbackReason): Stage[] {
    return names.flatMap((name) => {
      const route = this.context.resolve(name);
      return route && !this.#visited.has(route.id) ? [{ route, because }] : [];
    });
  }

  #open({ route, because }: Stage, now: number): void {
    if (this.#visited.has(route.id)) return;
    this.#visited.add(route.id);
    const { targets, ruledOut } = this.context.order(route, now);
    const considered: Considered[] = [];
    for (const target of targets) {
      const state = this.context.stateOf(target);
      const why = state.unavailable(now);
      const seen = { target, inflight: state.inflight, pace: state.pace.at(now) };
      considered.push(why === undefined ? seen : { ...seen, leftOut: why });
      if (this.#tried.has(TargetStates.key(target))) continue;
      if (why === undefined) this.#queue.push({ target, route });
      else if (why === 'cooling_down') this.#resting.push({ target, route });
      else this.#unusable.add(state);
    }
    this.looks.push({
      model: route.id,
      because,
      strategy: route.strategy,
      at: now,
      considered: [...considered, ...ruledOut],
    });
    // Its own fallbacks come before those that were waiting already.
    this.#stages = [...this.#routes(route.fallbacks, 'general'), ...this.#stages];
  }

  /** Everything has been tried once: wait, and begin again, if that makes sense. */
  #again(now: number, deadlineAt: number): Step {
    const { retry, budget, random } = this.context;
    const error = this.#lastError;
    if (error === undefined || this.attempts >= retry.attempts || !isRepeatable(error.code)) {
      return { kind: 'none' };
    }
    const told = (error.details.retryAfterSeconds ?? 0) * 1_000;
    const ms = Math.max(backoffMs(retry, this.#round, random), told);
    if (ms > LONGEST_WAIT_MS || now + ms >= deadlineAt || !budget.spend(now)) return { kind: 'none' };
    this.#round += 1;
    this.#visited = new Set();
    this.#tried = new Set();
    this.#unusable = new Set();
    this.#resting = [];
    this.#stages = [{ route: this.#first, because: 'asked' }];
    return { kind: 'wait', ms };
  }
}

/** A client would rather know than wait longer than this for a second try. Milliseconds. */
const LONGEST_WAIT_MS = 30_000;
