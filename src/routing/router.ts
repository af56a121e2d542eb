import type { ModelScope, ModelUse } from '../core/model-scope.ts';
import { isInRegions } from '../core/region.ts';
import type { Usage } from '../core/usage.ts';
import { NO_EVENTS } from '../events/event-bus.ts';
import type { ModelInfo, ModelOverrides } from '../metering/model-data.ts';
import { costPico, dollarsOfPico } from '../metering/price.ts';
import type { ModelPrice } from '../metering/price-data.ts';
import type { PriceContext } from '../metering/prices.ts';
import type { Target } from '../providers/types.ts';
import type { HedgeSettings, ModelDirectory, ModelRoute } from './directory.ts';
import type { EngineLoads } from './engine-loads.ts';
import { Experiments } from './experiments/experiments.ts';
import { TargetStates } from './health/target-states.ts';
import { type Order, type PlanRouter, RoutePlan } from './plan.ts';
import { PossibleRoutes } from './possible-routes.ts';
import { preferredOrder } from './preferred-order.ts';
import { PrefixIndex } from './prefix-index.ts';
import { PromptPrefixes } from './prompt-prefixes.ts';
import type { RequestFacts } from './request-facts.ts';
import { DEFAULT_RETRY, HedgeBudget, RetryBudget, type RetrySettings } from './retry.ts';
import { RouteTable, RouteTarget } from './route-table.ts';
import { type EvaluatedTarget, OUTSIDE_RESIDENCY } from './routing-decision.ts';
import { READS_PREFIX, STRATEGIES, WITH_WARM_CACHE } from './strategies/index.ts';
import { appendRemaining, type SelectionContext, type Strategy } from './strategies/strategy.ts';

/** Measured state that survives a configuration reload. */
export interface RoutingState {
  readonly states: TargetStates;
  readonly prefixes: PrefixIndex;
  /** Prefixes that end at places for cache breakpoints. */
  readonly promptPrefixes: PromptPrefixes;
  readonly engines: EngineLoads | undefined;
  readonly experiments: Experiments;
}

/** Whose price is asked for, and for what; now, where the time is absent. */
export type RequestPricing = Pick<PriceContext, 'tenant' | 'isBatch'> & Partial<Pick<PriceContext, 'at'>>;

/** @returns the price of a target; undefined where none is known */
export type PriceOf = (
  target: Target,
  facts: ModelOverrides | undefined,
  context: RequestPricing,
) => ModelPrice | undefined;

export interface RouterOptions extends RoutingState {
  readonly directory: ModelDirectory;
  readonly random: () => number;
  readonly retry?: RetrySettings;
  readonly modelInfo?: (target: Target, facts: ModelOverrides | undefined) => ModelInfo;
  readonly priceOf?: PriceOf;
  /**
   * For how long a target that has processed a long prompt is preferred for others with the same beginning, in milliseconds;
   * 0 for not at all.
   */
  readonly warmCacheMs?: (model: string) => number;
}

/** @returns the routing state of a gateway that has just started */
export function createRoutingState(states = new TargetStates()): RoutingState {
  return {
    states,
    prefixes: new PrefixIndex(),
    promptPrefixes: new PromptPrefixes(),
    engines: undefined,
    experiments: new Experiments(Math.random, NO_EVENTS),
  };
}

/** How streams of a model may be hedged. */
export interface Hedging {
  readonly settings: HedgeSettings;
  readonly budget: HedgeBudget;
}

const MAX_BUDGETS = 10_000;
const NONE: readonly EvaluatedTarget[] = [];
const NO_BLOCKS: readonly number[] = [];
/** Providers cache no shorter prompts: about 1,024 tokens, in UTF-16 units of the body. */
const LONG_PROMPT = 4_096;

/** Selects targets: makes one plan per request. */
export class Router implements PlanRouter {
  /** Requests per model id, for strategies that rotate. */
  readonly #requestCounts = new Map<string, number>();
  readonly #budgets = new Map<string, RetryBudget>();
  readonly #hedges = new Map<string, HedgeBudget>();
  /** Only for models with several targets. */
  readonly #tables = new WeakMap<ModelRoute, RouteTable>();
  readonly #possible = new PossibleRoutes((name) => this.resolve(name));
  readonly retry: RetrySettings;
  readonly random: () => number;

  constructor(private readonly options: RouterOptions) {
    this.retry = options.retry ?? DEFAULT_RETRY;
    this.random = options.random;
  }

  /**
   * @param route of the requested model; an experiment may put a variant in its place
   * @param now monotonic milliseconds
   */
  plan(route: ModelRoute, facts: RequestFacts, now: number): RoutePlan {
    const budget = this.#budget(route.label);
    budget.earn(this.retry.budget, now);
    const part = route.experiments && this.options.experiments.assign(route, facts);
    const variant = part?.to === undefined ? undefined : this.resolve(part.to);
    if (
      part?.to !== undefined &&
      variant &&
      !this.#mayUse(facts.modelScope, part.to, variant, 'experiment')
    ) {
      return new RoutePlan(route, this, facts, budget);
    }
    return new RoutePlan(variant ?? route, this, facts, budget, part, variant ? route : undefined);
  }

  get experiments(): Experiments {
    return this.options.experiments;
  }

  /** @returns the model that gets a copy of this request; undefined where the request is not mirrored */
  mirrorOf({ experiments }: ModelRoute, scope: ModelScope | undefined): ModelRoute | undefined {
    const mirror = experiments?.mirror;
    if (!mirror || this.random() * 100 >= mirror.percent) return undefined;
    return this.resolveAllowed(mirror.model, scope, 'mirror');
  }

  /** @returns the model that a name means; undefined where it means none, or one that the key may not use */
  resolveAllowed(name: string, scope: ModelScope | undefined, reason: ModelUse): ModelRoute | undefined {
    const route = this.resolve(name);
    return route && this.#mayUse(scope, name, route, reason) ? route : undefined;
  }

  #mayUse(scope: ModelScope | undefined, name: string, { id }: ModelRoute, reason: ModelUse): boolean {
    return scope?.allows([name, id], reason) ?? true;
  }

  /**
   * @param durationMs of the attempt, for prices by time; such prices are unknown without it
   * @returns the cost of some usage at a target, as a decimal amount of US dollars; undefined without a price
   */
  costOf(
    target: Target,
    { facts }: ModelRoute,
    usage: Usage,
    context: RequestPricing,
    durationMs?: number,
  ): string | undefined {
    const price = this.options.priceOf?.(target, facts, context);
    if (!price || (price.time && durationMs === undefined)) return undefined;
    const pico = costPico(price, usage, durationMs);
    return pico === undefined ? undefined : dollarsOfPico(pico);
  }

  resolve(name: string): ModelRoute | undefined {
    return this.options.directory.resolve(name);
  }

  /** @returns every model that may serve a request for `route`, itself first */
  possibleRoutes(route: ModelRoute): readonly ModelRoute[] {
    return this.#possible.of(route);
  }

  /** Adds one request to the model's hedge budget. @returns undefined where its streams are not hedged */
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

  /** @returns whether the input price of `second` is at most `ratio` times that of `first`, or one is unknown */
  affordable(
    first: Target,
    second: Target,
    route: ModelRoute,
    ratio: number,
    context: RequestPricing,
  ): boolean {
    const { priceOf } = this.options;
    const rate = (target: Target) =>
      Number(priceOf?.(target, route.facts, context)?.input?.base ?? Number.NaN);
    return !(rate(second) > rate(first) * ratio);
  }

  /**
   * Call when a target starts to respond: its prefix cache then holds the prompt.
   * @param now monotonic milliseconds
   */
  recordResponse(route: ModelRoute, target: Target, facts: RequestFacts, now: number): void {
    if (!READS_PREFIX.has(route.strategy) && !this.#warmStrategy(route, facts)) return;
    this.options.prefixes.add(scopeOf(route.id, facts), facts.chain(), TargetStates.key(target), now);
  }

  /** @returns the strategy for a prompt that a provider may have in its cache; undefined for the usual one */
  #warmStrategy({ id, strategy, targets }: ModelRoute, facts: RequestFacts): Strategy | undefined {
    const warm = WITH_WARM_CACHE[strategy];
    if (!warm || targets.length < 2 || facts.units < LONG_PROMPT || facts.operation !== 'chat')
      return undefined;
    return (this.options.warmCacheMs?.(id) ?? 0) > 0 ? warm : undefined;
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
  ): Order & { readonly candidates: readonly RouteTarget[] } {
    const order = this.#strategyOrder(route, facts, now);
    const { preference } = facts;
    return preference?.model === route.id ? preferredOrder(order, preference) : order;
  }

  #strategyOrder(
    route: ModelRoute,
    facts: RequestFacts,
    now: number,
  ): Order & { readonly candidates: readonly RouteTarget[]; readonly rest?: readonly RouteTarget[] } {
    const [only] = route.targets;
    // The common case of a single target, configured or named by the client, needs no strategy.
    if (only && route.targets.length === 1 && only.weight > 0) {
      const exclusion = facts.constraints && this.#violatedConstraint(only, route, facts);
      if (exclusion !== undefined) {
        return {
          candidates: [],
          all: [],
          excluded: [{ target: only, exclusion, byConstraint: true }],
          allHealthy: false,
        };
      }
      const candidates = [new RouteTarget(only, route, this.options.states.of(only), 0, { now }, undefined)];
      return { candidates, all: candidates, excluded: NONE, allHealthy: false };
    }
    const table = this.#table(route);
    const { tiers, zeroWeight, clock, equalWeights } = table;
    clock.now = now;
    let excluded: readonly EvaluatedTarget[] =
      zeroWeight.length === 0 ? NONE : zeroWeight.map((target) => ({ target, exclusion: 'weight 0' }));
    let isEligible: ((candidate: RouteTarget) => boolean) | undefined;
    if (table.hasCapabilityFilter || facts.constraints) {
      const unsuitable = [
        ...this.#missingCapabilities(table, facts),
        ...this.#violatingConstraints(table, facts),
      ];
      if (unsuitable.length > 0) {
        excluded = [...excluded, ...unsuitable];
        isEligible = ({ target }) => !unsuitable.some((one) => one.target === target);
      }
    }
    const warm = this.#warmStrategy(route, facts);
    const strategy = warm ?? STRATEGIES[route.strategy];
    const readsPrefix = warm !== undefined || READS_PREFIX.has(route.strategy);
    const selection = this.#selectionContext(route, facts, equalWeights, readsPrefix, now);
    const allHealthy = this.options.states.allHealthy(table.states, now);
    const [onlyTier] = tiers;
    if (allHealthy && onlyTier && tiers.length === 1 && !isEligible) {
      this.#prepare(onlyTier, route, facts);
      const candidates = strategy(onlyTier, selection);
      const complete = candidates.length === onlyTier.length;
      return {
        candidates,
        ...(complete ? {} : { rest: onlyTier }),
        all: table.candidates,
        excluded,
        allHealthy,
      };
    }
    const ordered: RouteTarget[] = [];
    for (const tier of tiers) {
      const candidates = isEligible ? tier.filter(isEligible) : tier;
      this.#prepare(candidates, route, facts);
      if (allHealthy) {
        ordered.push(...appendRemaining(strategy(candidates, selection), candidates));
        continue;
      }
      // The strategy chooses among available targets; the others follow for explanations and later rounds.
      const usable = candidates.filter(({ state }) => state.unavailable(now, facts.operation) === undefined);
      ordered.push(...this.#applySlowStart(appendRemaining(strategy(usable, selection), usable), now));
      ordered.push(...candidates.filter((candidate) => !usable.includes(candidate)));
    }
    return { candidates: ordered, all: table.candidates, excluded, allHealthy };
  }

  #table(route: ModelRoute): RouteTable {
    let table = this.#tables.get(route);
    if (!table) {
      table = new RouteTable(route, this.options.states, this.options.modelInfo);
      this.#tables.set(route, table);
    }
    return table;
  }

  #prepare(candidates: readonly RouteTarget[], route: ModelRoute, facts: RequestFacts): void {
    const { engines, priceOf } = this.options;
    const { strategy } = route;
    if (strategy === 'lowest-cost') {
      for (const candidate of candidates) {
        candidate.setPrice(priceOf?.(candidate.target, route.facts, facts.pricing));
      }
    }
    if (strategy !== 'engine-load') return;
    for (const candidate of candidates) candidate.engine = engines?.of(candidate.target.provider.id);
  }

  #selectionContext(
    { id, strategy }: ModelRoute,
    facts: RequestFacts,
    equalWeights: boolean,
    readsPrefix: boolean,
    now: number,
  ): SelectionContext {
    const { prefixes, random, warmCacheMs } = this.options;
    const count = this.#requestCounts.get(id) ?? 0;
    if (count === 0 && this.#requestCounts.size >= MAX_BUDGETS) this.#requestCounts.clear();
    this.#requestCounts.set(id, count + 1);
    const chain = readsPrefix ? facts.chain() : NO_BLOCKS;
    // An engine keeps its KV cache until it needs the memory.
    const since = strategy === 'prefix-affinity' || !warmCacheMs ? undefined : now - warmCacheMs(id);
    const scope = chain.length === 0 ? '' : scopeOf(id, facts);
    const byCost = strategy === 'lowest-cost';
    return {
      count,
      random,
      equalWeights,
      inputTokens: byCost ? facts.inputTokens : 0,
      outputTokens: byCost ? facts.outputTokens : 0,
      affinity: strategy === 'consistent-hash' ? facts.affinity : undefined,
      blocks: chain.length,
      seenBlocks: (target) => prefixes.seen(scope, chain, TargetStates.key(target), since),
    };
  }

  /**
   * Targets without a capability that the request needs. None where every target lacks it: the model data may be
   * wrong, and the provider decides.
   */
  #missingCapabilities(
    { candidates, hasCapabilityFilter }: RouteTable,
    facts: RequestFacts,
  ): readonly EvaluatedTarget[] {
    if (!hasCapabilityFilter) return NONE;
    const tools = facts.view.hasTools;
    const vision = facts.view.hasImages();
    const unsuitable = candidates.flatMap(({ target, lacksTools, lacksVision }) => {
      if (tools && lacksTools) return [{ target, exclusion: 'without tools' }];
      return vision && lacksVision ? [{ target, exclusion: 'without vision' }] : [];
    });
    return unsuitable.length === candidates.length ? NONE : unsuitable;
  }

  /** Targets that do not meet the client's routing constraints. */
  #violatingConstraints({ candidates }: RouteTable, facts: RequestFacts): readonly EvaluatedTarget[] {
    if (!facts.constraints) return NONE;
    return candidates.flatMap(({ target, route }) => {
      const exclusion = this.#violatedConstraint(target, route, facts);
      return exclusion === undefined ? [] : [{ target, exclusion, byConstraint: true }];
    });
  }

  #violatedConstraint(target: Target, route: ModelRoute, facts: RequestFacts): string | undefined {
    const { regions, residency, maxCost, excludesSimulator } = facts.constraints ?? {};
    if (excludesSimulator && target.provider.profile.isSimulated) return 'for admin keys only';
    if (regions || residency) {
      const { region = target.provider.region } = target;
      if (region === undefined)
        return residency ? `region not known, so ${OUTSIDE_RESIDENCY}` : 'region not known';
      if (residency && !isInRegions(region, residency)) return `in region ${region}, ${OUTSIDE_RESIDENCY}`;
      if (regions && !isInRegions(region, regions)) return `in region ${region}`;
    }
    if (maxCost !== undefined) {
      const usage = { inputTokens: facts.inputTokens, outputTokens: facts.outputTokens, raw: {} };
      const cost = this.costOf(target, route, usage, facts.pricing);
      if (cost === undefined) return 'price not known';
      if (Number(cost) > maxCost) return `expected to cost $${cost}`;
    }
    return undefined;
  }

  /** Puts a target that has recovered recently first only as often as its share of the load allows. */
  #applySlowStart(views: readonly RouteTarget[], now: number): readonly RouteTarget[] {
    const [first] = views;
    const share = first?.state.share(now) ?? 1;
    if (!first || share >= 1 || views.length === 1) return views;
    const others = views.slice(1);
    const next = others.findIndex(({ state }) => state.share(now) > share);
    const other = others[next];
    // Slow start must not leave a target idle while requests queue at another one.
    if (!other || isWithinShare(first, other, share) || this.options.random() < share) return views;
    return [other, first, ...others.filter((view) => view !== other)];
  }
}

/** Whether one more attempt keeps a recovering target within its share of the load of another one that is busy. */
function isWithinShare(recovering: RouteTarget, other: RouteTarget, share: number): boolean {
  if (other.inflight === 0) return false;
  const [own, others] = [recovering, other].map(({ inflight, target }) => (inflight + 1) / target.weight);
  return recovering.inflight === 0 || (own ?? 0) <= share * (others ?? 0);
}

/** Keeps prefixes of tenants apart; the length prevents that two different pairs give the same text. */
function scopeOf(model: string, { tenant }: RequestFacts): string {
  return `${model} ${tenant.length} ${tenant}`;
}
