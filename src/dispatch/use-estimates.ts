import { isDeepStrictEqual } from 'node:util';
import type { AmountRange, ExpectedUse } from '../limits/expected-use.ts';
import type { ModelInfo, ModelOverrides } from '../metering/model-data.ts';
import { highestCostPico, nanoOfPico } from '../metering/price.ts';
import type { Prices } from '../metering/prices.ts';
import {
  leastTokens,
  likelyTokens,
  type ModelBounds,
  mostTokens,
  type TokenUse,
} from '../metering/use-bounds.ts';
import { imageTokens } from '../providers/media-tokens.ts';
import { familyOf } from '../providers/model-families.ts';
import type { Target } from '../providers/types.ts';
import type { ModelRoute } from '../routing/directory.ts';
import type { RequestFacts } from '../routing/request-facts.ts';

/** Targets that may serve a request, with the configured facts of their model. */
export type PossibleRoute = Pick<ModelRoute, 'targets' | 'facts'>;

/** Prices by the hour are reserved for this long, and settled for the actual duration. */
const RESERVED_MS = 60_000;
/** The shortest duration for which a budget must have room. */
const LEAST_MS = 1_000;
/** Larger reservations are as good as this one, and sums of them stay exact integers. */
const MOST_TOKENS = 1e12;
const MOST_NANO_USD = 1e15;

const DAY_MS = 86_400_000;

/** A target that stands for all those with the same price and bounds. */
interface Alternative {
  readonly target: Target;
  readonly facts: ModelOverrides | undefined;
  readonly bounds: ModelBounds;
}

/** Estimates what requests may use, from their form, the facts of models and the tenant's prices. */
export class UseEstimates {
  readonly #bounds = new WeakMap<Target, { readonly day: number; readonly bounds: ModelBounds }>();
  readonly #alternatives = new WeakMap<
    readonly PossibleRoute[],
    { readonly day: number; readonly alternatives: readonly Alternative[] }
  >();

  /** @param modelInfo facts of an upstream model; without it, all are unknown */
  constructor(
    private readonly prices: Pick<Prices, 'of' | 'areSame'>,
    private readonly modelInfo?: (target: Target, facts: ModelOverrides | undefined) => ModelInfo,
  ) {}

  /**
   * @param routes every model that may serve the request
   * @param at Unix milliseconds of the price
   */
  of(facts: RequestFacts, routes: readonly PossibleRoute[], at: number): ExpectedUse {
    return new UseEstimate(this, facts, routes, at);
  }

  /**
   * The targets whose use differs, as of a day. Most models have several targets and one price: what a request may use is
   * computed once for them, and not for each.
   */
  alternatives(routes: readonly PossibleRoute[], at: number): readonly Alternative[] {
    const day = Math.floor(at / DAY_MS);
    const [route] = routes;
    const [target] = route?.targets ?? [];
    // Lists of a single target are often made for one request.
    if (route && target && routes.length === 1 && route.targets.length === 1) {
      return [{ target, facts: route.facts, bounds: this.#boundsOf(target, route.facts, day) }];
    }
    const known = this.#alternatives.get(routes);
    if (known?.day === day) return known.alternatives;
    const alternatives: Alternative[] = [];
    for (const { targets, facts } of routes) {
      for (const one of targets) {
        const bounds = this.#boundsOf(one, facts, day);
        const isKnown = alternatives.some(
          (other) =>
            isDeepStrictEqual(bounds, other.bounds) &&
            this.prices.areSame([one, other.target], [facts, other.facts], at),
        );
        if (!isKnown) alternatives.push({ target: one, facts, bounds });
      }
    }
    this.#alternatives.set(routes, { day, alternatives });
    return alternatives;
  }

  #boundsOf(target: Target, facts: ModelOverrides | undefined, day: number): ModelBounds {
    const known = this.#bounds.get(target);
    if (known?.day === day) return known.bounds;
    const { contextWindow, maxOutputTokens } = this.modelInfo?.(target, facts) ?? { ...facts };
    const bounds = {
      contextWindow,
      maxOutputTokens,
      thinkingBudget: familyOf(target.model).thinkingBudget,
      image: imageTokens(target.model),
    };
    this.#bounds.set(target, { day, bounds });
    return bounds;
  }

  /** @returns 10^-9 US dollars: the highest cost of some tokens at a target; 0 where no price is known */
  nanoUsd(
    { target, facts }: Alternative,
    { pricing }: RequestFacts,
    use: TokenUse,
    durationMs: number,
    at: number,
  ): number {
    const price = this.prices.of(target, facts, { ...pricing, at });
    const pico = price && highestCostPico(price, use, durationMs);
    return pico === undefined ? 0 : Math.min(nanoOfPico(pico), MOST_NANO_USD);
  }
}

/** The use that one request may have, at the most expensive of its possible targets. Computed when limits ask for it. */
class UseEstimate implements ExpectedUse {
  #tokens: AmountRange | undefined;
  #nanoUsd: AmountRange | undefined;

  constructor(
    private readonly estimates: UseEstimates,
    private readonly facts: RequestFacts,
    private readonly routes: readonly PossibleRoute[],
    private readonly at: number,
  ) {}

  likelyTokens(): number {
    let highest = 0;
    for (const { bounds } of this.#alternatives) {
      highest = Math.max(highest, sum(likelyTokens(this.facts.requestDemand, this.facts, bounds)));
    }
    return Math.min(highest, MOST_TOKENS);
  }

  tokens(): AmountRange {
    this.#tokens ??= this.#range(sum, MOST_TOKENS);
    return this.#tokens;
  }

  nanoUsd(): AmountRange {
    this.#nanoUsd ??= this.#range(
      (use, alternative, durationMs) =>
        this.estimates.nanoUsd(alternative, this.facts, use, durationMs, this.at),
      MOST_NANO_USD,
    );
    return this.#nanoUsd;
  }

  get #alternatives(): readonly Alternative[] {
    return this.estimates.alternatives(this.routes, this.at);
  }

  #range(
    amountOf: (use: TokenUse, alternative: Alternative, durationMs: number) => number,
    highest: number,
  ): AmountRange {
    let least = 0;
    let most = 0;
    const { facts } = this;
    const { requestDemand } = facts;
    for (const alternative of this.#alternatives) {
      const { bounds } = alternative;
      least = Math.max(least, amountOf(leastTokens(requestDemand, facts, bounds), alternative, LEAST_MS));
      most = Math.max(most, amountOf(mostTokens(requestDemand, facts, bounds), alternative, RESERVED_MS));
    }
    return { least: Math.min(least, highest), most: Math.min(most, highest) };
  }
}

function sum({ inputTokens, outputTokens }: TokenUse): number {
  return inputTokens + outputTokens;
}
