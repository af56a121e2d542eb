import type { GatewayError } from '../core/errors.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { Participation } from './experiments/experiments.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';
import { type Considered, Look, type LookNotes, type LookRecord, type Ready } from './look.ts';
import type { RequestFacts } from './request-facts.ts';
import { backoffMs, isRepeatable, type RetryBudget, type RetrySettings } from './retry.ts';

/** What to do next for a request. */
export type Step =
  | { readonly kind: 'try'; readonly ready: Ready }
  /** All that can be used have as many attempts as they may have: wait for a place at one of them. */
  | { readonly kind: 'queue'; readonly busy: readonly Ready[] }
  /** Nothing can be tried now; ask again after so many milliseconds. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'none' };

const NOTHING: Step = { kind: 'none' };

export interface Order {
  /** In the order in which to try them. */
  readonly places: readonly Ready[];
  /** Those that come after them in any order; what is in `places` may be there too. */
  readonly rest?: readonly Ready[];
  /** All of the model, by their index. */
  readonly all: readonly Ready[];
  readonly ruledOut: readonly Considered[];
  /** Nothing is the matter with any of them, so none has to be looked at before it is its turn. */
  readonly calm: boolean;
}

/** What a plan needs of the router. */
export interface PlanRouter {
  readonly retry: RetrySettings;
  readonly random: () => number;
  readonly notes: LookNotes;
  /** The targets of one model in the order in which to try them, and those that constraints rule out. */
  order(route: ModelRoute, facts: RequestFacts, now: number): Order;
  resolve(name: string): ModelRoute | undefined;
}

interface Stage {
  readonly route: ModelRoute;
  readonly because: LookRecord['because'];
}

/** Failures that another model may cure, and what fallbacks for them are called. */
const CURES: Readonly<Record<string, FallbackReason>> = {
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
  readonly #looks: Look[] = [];
  /** Where a round begins. */
  #first: ModelRoute;
  /** Models that wait for their turn; undefined once none is left, or none ever was. */
  #stages: Stage[] | undefined;
  #opened = false;
  /** Models that were opened in this round. */
  #visited: string[] | undefined;
  #tried: TargetState[] | undefined;
  #queue: Ready[] | undefined;
  /** Comes after the queue, without those that were tried. */
  #rest: readonly Ready[] | undefined;
  /** Those that have as many attempts as they may have. */
  #busy: Ready[] | undefined;
  /** Over their limits, as they said themselves: tried when there is nothing else. */
  #resting: Ready[] | undefined;
  /** Left out because of their condition, which may change. */
  #unusable: TargetState[] | undefined;
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
  get looks(): readonly Look[] {
    return this.#looks;
  }

  next(now: number, deadlineAt: number): Step {
    if (!this.#opened) {
      this.#opened = true;
      this.#open(this.#first, 'asked', now);
    }
    for (;;) {
      const ready = this.#queue?.shift();
      if (ready) {
        // It may have failed for others while this request was busy elsewhere.
        const why = ready.state.unavailable(now);
        if (why !== undefined) this.#putOff(ready, why);
        else if (ready.state.full) this.#busy = append(this.#busy, ready);
        else return this.#try(ready);
        continue;
      }
      if (this.#unfold()) continue;
      if (this.#busy) return { kind: 'queue', busy: this.#busy };
      const stage = this.#stages?.shift();
      if (stage) {
        this.#open(stage.route, stage.because, now);
        continue;
      }
      const resting = this.#resting?.shift();
      return resting ? this.#try(resting) : this.#again(now, deadlineAt);
    }
  }

  /** There is a place at one of those that were busy. */
  entered(ready: Ready): Step & { readonly kind: 'try' } {
    this.#queue = this.#busy?.filter((one) => one !== ready);
    this.#busy = undefined;
    return this.#try(ready);
  }

  /** What was busy can't be used any more, so another look is due. */
  left(): void {
    this.#queue = this.#busy;
    this.#busy = undefined;
  }

  /** There was no place in time. @returns whether anything may still be tried */
  refused(error: GatewayError): boolean {
    this.#busy = undefined;
    return this.failed(error);
  }

  /** From now on another model is tried, and nothing of what was left. */
  goTo(route: ModelRoute, because: LookRecord['because']): void {
    this.#queue = undefined;
    this.#rest = undefined;
    this.#busy = undefined;
    this.#resting = undefined;
    this.#first = route;
    this.#stages = [{ route, because }];
  }

  /** Puts the rest into the queue. @returns whether there was any */
  #unfold(): boolean {
    const rest = this.#rest;
    if (!rest) return false;
    this.#rest = undefined;
    const passed = [...(this.#queue ?? []), ...(this.#resting ?? []), ...(this.#busy ?? [])];
    for (const ready of rest) {
      const known =
        passed.includes(ready) ||
        (this.#tried?.includes(ready.state) ?? false) ||
        (this.#unusable?.includes(ready.state) ?? false);
      if (!known) this.#queue = append(this.#queue, ready);
    }
    return true;
  }

  /** Another target of the same model to ask beside one that is slow; undefined when there is none that will do. */
  beside(now: number, accepts: (target: Target) => boolean): (Step & { readonly kind: 'try' }) | undefined {
    this.#unfold();
    const at =
      this.#queue?.findIndex(
        ({ state, target }) => state.unavailable(now) === undefined && !state.full && accepts(target),
      ) ?? -1;
    const ready = this.#queue?.[at];
    if (!ready || !this.#queue) return undefined;
    this.#queue.splice(at, 1);
    return this.#try(ready);
  }

  #try(ready: Ready): Step & { readonly kind: 'try' } {
    this.#tried = append(this.#tried, ready.state);
    this.attempts += 1;
    this.#looks.at(-1)?.tried(ready);
    return { kind: 'try', ready };
  }

  #putOff(ready: Ready, why: Unavailable): void {
    if (why === 'cooling_down' || why === 'ejected') this.#resting = append(this.#resting, ready);
    else this.#unusable = append(this.#unusable, ready.state);
  }

  /** @returns whether anything may still be tried */
  failed(error: GatewayError): boolean {
    this.#lastError = error;
    const reason = CURES[error.code];
    const cures = reason === undefined ? [] : this.#routes(this.#first.fallbacksOn[reason] ?? [], reason);
    if (cures.length > 0) {
      // The request itself is at fault: more of the same would fail the same way.
      if (!error.retryable) {
        this.#queue = undefined;
        this.#rest = undefined;
      }
      this.#stages = error.retryable ? [...cures, ...(this.#stages ?? [])] : cures;
      return true;
    }
    if (error.retryable) return true;
    // What a new version refuses, the one that was asked for may answer.
    if (this.backup && error.code === 'upstream_rejected' && !this.#visited?.includes(this.backup.id)) {
      this.goTo(this.backup, 'general');
      return true;
    }
    return false;
  }

  /** When something can be used again, as far as is known. */
  availableAt(now: number): number {
    return Math.min(...(this.#unusable ?? []).map((state) => state.availableAt(now)));
  }

  #routes(names: readonly string[], because: FallbackReason): Stage[] {
    return names.flatMap((name) => {
      const route = this.router.resolve(name);
      return route && !this.#visited?.includes(route.id) ? [{ route, because }] : [];
    });
  }

  #open(route: ModelRoute, because: LookRecord['because'], now: number): void {
    if (this.#visited?.includes(route.id)) return;
    this.#visited = append(this.#visited, route.id);
    const { places, rest, all, ruledOut, calm } = this.router.order(route, this.facts, now);
    const look = new Look(
      route,
      because,
      now,
      all,
      rest?.length ?? places.length,
      ruledOut,
      this.router.notes,
    );
    this.#looks.push(look);
    this.#rest = rest;
    if (calm && this.#tried === undefined) this.#queue = [...places];
    else this.#lookAt(places, look, now);
    if (this.backup && route === this.#first) {
      this.#stages = append(this.#stages, { route: this.backup, because: 'general' });
    }
    // Its own fallbacks come before those that were waiting already.
    if (route.fallbacks.length > 0) {
      this.#stages = [...this.#routes(route.fallbacks, 'general'), ...(this.#stages ?? [])];
    }
  }

  #lookAt(places: readonly Ready[], look: Look, now: number): void {
    for (const ready of places) {
      const { state } = ready;
      const why = state.unavailable(now);
      look.note(ready, why ?? (state.full ? 'busy' : undefined));
      if (this.#tried?.includes(state)) continue;
      if (why === undefined) this.#queue = append(this.#queue, ready);
      else this.#putOff(ready, why);
    }
  }

  /** Everything has been tried once: wait, and begin again, if that makes sense. */
  #again(now: number, deadlineAt: number): Step {
    const { retry, random } = this.router;
    const error = this.#lastError;
    if (error === undefined || this.attempts >= retry.attempts || !isRepeatable(error.code)) return NOTHING;
    const told = (error.details.retryAfterSeconds ?? 0) * 1_000;
    const ms = Math.max(backoffMs(retry, this.#round, random), told);
    if (ms > LONGEST_WAIT_MS || now + ms >= deadlineAt || !this.budget.spend(now)) return NOTHING;
    this.#round += 1;
    this.#visited = undefined;
    this.#tried = undefined;
    this.#unusable = undefined;
    this.#stages = undefined;
    this.#resting = undefined;
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
