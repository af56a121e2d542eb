import type { ModelOverrides } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';

/** A target that may be tried, with its state. */
export interface RouteCandidate {
  readonly target: Target;
  readonly route: ModelRoute;
  readonly state: TargetState;
  /** Its position among the targets of its model. */
  readonly index: number;
  /** Attempts in flight on it. */
  readonly inflight: number;
  /** Recent milliseconds per token; undefined where nothing was measured. */
  readonly timePerTokenMs: number | undefined;
}

/** A target as one decision found it. */
export interface EvaluatedTarget {
  readonly target: Target;
  /** Why it was left out; undefined where it was a candidate. */
  readonly exclusion?: Unavailable | 'busy' | string | undefined;
  /** It was left out because it does not meet the client's routing constraints. */
  readonly byConstraint?: boolean;
  /** Attempts in flight on it at that moment; undefined where its state was not read. */
  readonly inflight?: number;
  readonly timePerTokenMs?: number | undefined;
}

/** How the targets of one model were evaluated for one request. Explanations are made of it. */
export class RoutingDecision {
  readonly model: string;
  readonly strategy: string;
  /** The configured facts of the model, on which prices depend. */
  readonly facts: ModelOverrides | undefined;
  readonly #read: EvaluatedTarget[] = [];

  /**
   * @param reason why this model: the client asked for it, or it is a fallback or escalation
   * @param at monotonic milliseconds
   * @param all every target of the model that constraints do not rule out
   */
  constructor(
    route: ModelRoute,
    readonly reason: 'asked' | 'escalation' | FallbackReason,
    readonly at: number,
    private readonly all: readonly RouteCandidate[],
    private readonly excluded: readonly EvaluatedTarget[],
  ) {
    this.model = route.id;
    this.strategy = route.strategy;
    this.facts = route.facts;
  }

  /** Records the state of a target as it is now. */
  record(
    { target, inflight, timePerTokenMs }: RouteCandidate,
    exclusion: Unavailable | 'busy' | undefined,
  ): void {
    this.#read.push({ target, exclusion, inflight, timePerTokenMs });
  }

  /** Records a target that is tried, unless it is recorded already or belongs to another model. */
  recordTried(candidate: RouteCandidate): void {
    if (this.#read.some(({ target }) => target === candidate.target)) return;
    if (this.all[candidate.index] === candidate) this.record(candidate, undefined);
  }

  /**
   * @returns targets whose state was read, in the order in which they are tried; then those that nothing was read of,
   * because all were healthy; then those that constraints rule out
   */
  get evaluated(): readonly EvaluatedTarget[] {
    const known = [...this.#read, ...this.excluded];
    const unread = this.all.filter(({ target }) => !known.some((one) => one.target === target));
    return [...this.#read, ...unread.map(({ target }) => ({ target })), ...this.excluded];
  }
}
