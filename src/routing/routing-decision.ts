import type { ModelOverrides } from '../metering/model-data.ts';
import type { EngineLoad } from '../providers/engine-load.ts';
import type { Target } from '../providers/types.ts';
import type { FallbackReason, ModelRoute } from './directory.ts';
import type { TargetState, Unavailable } from './health/target-state.ts';

/** End of an exclusion because of the tenant's residency. */
export const OUTSIDE_RESIDENCY = "outside the tenant's";

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
  /** The gauges of its engine, where the strategy of its model uses them. */
  readonly engine?: EngineLoad | undefined;
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
  /** What its engine had reported, for strategies that use it. */
  readonly engine?: EngineLoad | undefined;
}

/** What explanations read of a decision. */
export type DecisionFacts = Pick<
  RoutingDecision,
  'model' | 'reason' | 'strategy' | 'at' | 'facts' | 'evaluated'
>;

/** How the targets of one model were evaluated for one request. Explanations are made of it. */
export class RoutingDecision {
  readonly model: string;
  readonly strategy: string;
  /** The configured facts of the model, on which prices depend. */
  readonly facts: ModelOverrides | undefined;
  readonly #read: EvaluatedTarget[] = [];
  /** By index of the target. Kept apart, because targets change with the next request. */
  readonly #engines: readonly (EngineLoad | undefined)[] | undefined;

  /**
   * @param reason why this model: the client asked for it, or it is a fallback or escalation
   * @param at monotonic milliseconds
   * @param all every target of the model that constraints do not rule out
   */
  constructor(
    route: ModelRoute,
    readonly reason: 'asked' | 'escalation' | FallbackReason,
    readonly at: number,
    readonly all: readonly RouteCandidate[],
    private readonly excluded: readonly EvaluatedTarget[],
  ) {
    this.model = route.id;
    this.strategy = route.strategy;
    this.facts = route.facts;
    if (route.strategy === 'engine-load') this.#engines = all.map(({ engine }) => engine);
  }

  /**
   * The one target that was read, where this and `all` are everything that was found; undefined where more was. Most
   * requests find their target at once, and their records need not keep the whole decision.
   */
  get onlyRead(): EvaluatedTarget | undefined {
    return this.#read.length === 1 && this.excluded.length === 0 && !this.#engines
      ? this.#read[0]
      : undefined;
  }

  /** Records the state of a target as it is now. */
  record(
    { target, index, inflight, timePerTokenMs }: RouteCandidate,
    exclusion: Unavailable | 'busy' | undefined,
  ): void {
    this.#read.push({ target, exclusion, inflight, timePerTokenMs, ...this.#gauges(index) });
  }

  #gauges(index: number): Pick<EvaluatedTarget, 'engine'> {
    const engine = this.#engines?.[index];
    return engine ? { engine } : {};
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
    const others = unread.map(({ target, index }) => ({ target, ...this.#gauges(index) }));
    return [...this.#read, ...others, ...this.excluded];
  }
}
