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

/** Estimates what requests may use, from their form, the facts of models and the tenant's prices. */
export class UseEstimates {
  readonly #bounds = new WeakMap<Target, { readonly day: number; readonly bounds: ModelBounds }>();

  /** @param modelInfo facts of an upstream model; without it, all are unknown */
  constructor(
    private readonly prices: Pick<Prices, 'of'>,
    private readonly modelInfo?: (target: Target, facts: ModelOverrides | undefined) => ModelInfo,
  ) {}

  /**
   * @param routes every model that may serve the request
   * @param at Unix milliseconds of the price
   */
  of(facts: RequestFacts, routes: readonly PossibleRoute[], at: number): ExpectedUse {
    return new UseEstimate(this, facts, routes, at);
  }

  /** What bounds the use of a target's model, as of a day. */
  boundsOf(target: Target, facts: ModelOverrides | undefined, at: number): ModelBounds {
    const day = Math.floor(at / DAY_MS);
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
    target: Target,
    route: PossibleRoute,
    { pricing }: RequestFacts,
    use: TokenUse,
    durationMs: number,
    at: number,
  ): number {
    const price = this.prices.of(target, route.facts, { ...pricing, at });
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
    for (const route of this.routes) {
      for (const target of route.targets) {
        const bounds = this.estimates.boundsOf(target, route.facts, this.at);
        highest = Math.max(highest, sum(likelyTokens(this.facts.requestDemand, this.facts, bounds)));
      }
    }
    return Math.min(highest, MOST_TOKENS);
  }

  tokens(): AmountRange {
    this.#tokens ??= this.#range(sum, MOST_TOKENS);
    return this.#tokens;
  }

  nanoUsd(): AmountRange {
    this.#nanoUsd ??= this.#range(
      (use, target, route, durationMs) =>
        this.estimates.nanoUsd(target, route, this.facts, use, durationMs, this.at),
      MOST_NANO_USD,
    );
    return this.#nanoUsd;
  }

  #range(
    amountOf: (use: TokenUse, target: Target, route: PossibleRoute, durationMs: number) => number,
    highest: number,
  ): AmountRange {
    let least = 0;
    let most = 0;
    const { facts } = this;
    for (const route of this.routes) {
      for (const target of route.targets) {
        const bounds = this.estimates.boundsOf(target, route.facts, this.at);
        least = Math.max(
          least,
          amountOf(leastTokens(facts.requestDemand, facts, bounds), target, route, LEAST_MS),
        );
        most = Math.max(
          most,
          amountOf(mostTokens(facts.requestDemand, facts, bounds), target, route, RESERVED_MS),
        );
      }
    }
    return { least: Math.min(least, highest), most: Math.min(most, highest) };
  }
}

function sum({ inputTokens, outputTokens }: TokenUse): number {
  return inputTokens + outputTokens;
}
