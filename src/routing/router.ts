import type { ModelInfo, ModelOverrides } from '../metering/model-data.ts';
import type { Target } from '../providers/types.ts';
import type { HedgeSettings, ModelDirectory, ModelRoute } from './directory.ts';
import type { EngineLoads } from './engine-loads.ts';
import type { TargetState } from './health/target-state.ts';
import { TargetStates } from './health/target-states.ts';
import { type Considered, type PlanRouter, RoutePlan } from './plan.ts';
import { PrefixIndex } from './prefix-index.ts';
import type { RequestFacts } from './request-facts.ts';
import { DEFAULT_RETRY, HedgeBudget, RetryBudget, type RetrySettings } from './retry.ts';
import { READS_PREFIX, STRATEGIES } from './strategies/index.ts';
import type { TargetView, Turn } from './strategies/strategy.ts';

/** What is measured and outlives configurations. */
export interface RoutingState {
  readonly states: TargetStates;
  readonly prefixes: PrefixIndex;
  readonly engines: EngineLoads | undefined;
}

export interface RouterOptions extends RoutingState {
  readonly directory: ModelDirectory;
  readonly random: () => number;
  readonly retry?: RetrySettings;
  readonly modelInfo?: (target: Target, facts: ModelOverrides | undefined) => ModelInfo;
}

/** State for routing of a gateway that has just started. */
export function freshRoutingState(states = new TargetStates()): RoutingState {
  return { states, prefixes: new PrefixIndex(), engines: undefined };
}

export interface Hedging {
  readonly settings: HedgeSettings;
  readonly budget: HedgeBudget;
}

const MAX_BUDGETS = 10_000;
const NONE: readonly Considered[] = [];

/** Chooses targets: one plan for each request. */
export class Router implements PlanRouter {
  readonly #turns = new Map<string, number>();
  readonly #budgets = new Map<string, RetryBudget>();
  readonly #hedges = new Map<string, HedgeBudget>();
  readonly retry: RetrySettings;
  readonly random: () => number;

  constructor(private readonly options: RouterOptions) {
    this.retry = options.retry ?? DEFAULT_RETRY;
    this.random = options.random;
  }

  plan(route: ModelRoute, facts: RequestFacts, now: number): RoutePlan {
    const budget = this.#budget(route.label);
    budget.earn(this.retry.budget, now);
    return new RoutePlan(route, this, facts, budget);
  }

  stateOf(target: Target): TargetState {
    return this.options.states.of(target);
  }

  resolve(name: string): ModelRoute | undefined {
    return this.options.directory.resolve(name);
  }

  /** How to hedge a stream that goes this way; undefined when it may not be. */
  hedging({ id, hedging }: ModelRoute): Hedging | undefined {
    if (!hedging) return undefined;
    let budget = this.#hedges.get(id);
    if (!budget) {
      budget = new HedgeBudget();
      this.#hedges.set(id, budget);
    }
    budget.earn(hedging.percent);
    return { settings: hedging, budget };
  }

  /** Whether asking the second costs no more than so many times the first; where prices are not known, it does not. */
  affordable(first: Target, second: Target, route: ModelRoute, ratio: number): boolean {
    const { modelInfo } = this.options;
    const rate = (target: Target) =>
      Number(modelInfo?.(target, route.facts).price?.input?.base ?? Number.NaN);
    return !(rate(second) > rate(first) * ratio);
  }

  /** A target has begun to answer: its caches are warm for what it read. */
  answered({ id, strategy }: ModelRoute, target: Target, facts: RequestFacts): void {
    if (!READS_PREFIX.has(strategy)) return;
    this.options.prefixes.add(scopeOf(id, facts), facts.chain(), TargetStates.key(target));
  }

  #budget(label: string): RetryBudget {
    let budget = this.#budgets.get(label);
    if (!budget) {
      if (this.#budgets.size >= MAX_BUDGETS) this.#budgets.clear();
      budget = new RetryBudget();
      this.#budgets.set(label, budget);
    }
    return budget;
  }

  order(
    route: ModelRoute,
    facts: RequestFacts,
    now: number,
  ): { readonly targets: readonly Target[]; readonly ruledOut: readonly Considered[] } {
    const [only] = route.targets;
    // The common case of one target needs no choice.
    if (only && route.targets.length === 1 && only.weight > 0) {
      return { targets: route.targets, ruledOut: NONE };
    }
    const { fit, ruledOut } = this.#constrained(route, facts);
    const turn = this.#turn(route, facts);
    const tiers = new Map<number, TargetView[]>();
    for (const target of fit) {
      const tier = target.tier ?? 0;
      tiers.set(tier, [...(tiers.get(tier) ?? []), this.#view(target, route, now)]);
    }
    const ordered = [...tiers]
      .sort(([a], [b]) => a - b)
      .flatMap(([, views]) => this.#easedIn(STRATEGIES[route.strategy](views, turn), now));
    return { targets: ordered.map(({ target }) => target), ruledOut };
  }

  #turn({ id, strategy }: ModelRoute, facts: RequestFacts): Turn {
    const { prefixes, random } = this.options;
    const count = this.#turns.get(id) ?? 0;
    if (count === 0 && this.#turns.size >= MAX_BUDGETS) this.#turns.clear();
    this.#turns.set(id, count + 1);
    const chain = READS_PREFIX.has(strategy) ? facts.chain() : [];
    const scope = scopeOf(id, facts);
    return {
      count,
      random,
      inputTokens: facts.inputTokens,
      outputTokens: facts.outputTokens,
      affinity: strategy === 'consistent-hash' ? facts.affinity : undefined,
      blocks: chain.length,
      seenBlocks: (target) => prefixes.seen(scope, chain, TargetStates.key(target)),
    };
  }

  #view(target: Target, route: ModelRoute, now: number): TargetView {
    const { states, engines, modelInfo } = this.options;
    const state = states.of(target);
    const price = route.strategy === 'lowest-cost' ? modelInfo?.(target, route.facts).price : undefined;
    return {
      target,
      inflight: state.inflight,
      pace: state.pace.at(now),
      engine: route.strategy === 'engine-load' ? engines?.of(target.provider.id) : undefined,
      price:
        price?.input && price.output
          ? {
              input: Number(price.input.base),
              output: Number(price.output.base),
              cached: Number((price.cachedInput ?? price.input).base),
            }
          : undefined,
    };
  }

  /** Leaves out what is known not to be able to answer, unless nothing would be left. */
  #constrained(route: ModelRoute, facts: RequestFacts) {
    const { modelInfo } = this.options;
    const usable = route.targets.filter(({ weight }) => weight > 0);
    const ruledOut: Considered[] = route.targets
      .filter(({ weight }) => weight <= 0)
      .map((target) => ({ target, leftOut: 'weight 0' }));
    if (!modelInfo) return { fit: usable, ruledOut };
    const { tools, vision } = facts.needs();
    if (!tools && !vision) return { fit: usable, ruledOut };
    const lacks = (target: Target): string | undefined => {
      const { capabilities } = modelInfo(target, route.facts);
      if (tools && capabilities.tools === false) return 'without tools';
      return vision && capabilities.vision === false ? 'without vision' : undefined;
    };
    const fit = usable.filter((target) => {
      const leftOut = lacks(target);
      if (leftOut !== undefined) ruledOut.push({ target, leftOut });
      return leftOut === undefined;
    });
    // Data may be wrong; the provider knows.
    return fit.length === 0 ? { fit: usable, ruledOut: [] } : { fit, ruledOut };
  }

  /** A target that has just come back is first only as often as its share of the load allows. */
  #easedIn(views: readonly TargetView[], now: number): readonly TargetView[] {
    const [first, ...others] = views;
    if (!first || others.length === 0) return views;
    const share = this.options.states.of(first.target).share(now);
    if (share >= 1 || this.options.random() < share) return views;
    const next = others.findIndex(({ target }) => {
      const state = this.options.states.of(target);
      return state.share(now) > share && state.unavailable(now) === undefined;
    });
    const other = others[next];
    if (!other) return views;
    return [other, first, ...others.filter((view) => view !== other)];
  }
}

function scopeOf(model: string, { tenant }: RequestFacts): string {
  return `${model} ${tenant.length} ${tenant}`;
}
