import { isDeepStrictEqual } from 'node:util';
import type { Target } from '../providers/types.ts';
import { type DayTime, DayTimes } from './day-times.ts';
import type { ModelData, ModelOverrides } from './model-data.ts';
import type { ModelPrice } from './price-data.ts';
import { multiplyDecimals, scalePrice } from './price-factor.ts';

/** A configured price that replaces or scales the list price for some models, tenants and times. */
export interface PriceRule {
  /** Name of the upstream model; a trailing `*` matches any suffix. */
  readonly model: string;
  /** Provider id; null for all. */
  readonly provider: string | null;
  /** Tenant id; null for all. */
  readonly tenant: string | null;
  /** Unix milliseconds: from inclusive, until exclusive. */
  readonly from: number;
  readonly until: number;
  /** Undefined for the price that the model has without the rule. */
  readonly price?: ModelPrice | undefined;
  /** Decimal: what batch requests cost, as a multiple of the price; undefined for 1. */
  readonly batch?: string | undefined;
  /** Multiples of the price by time of day. The first one that contains the moment applies. */
  readonly dayTimes?: readonly (DayTime & { readonly factor: string })[];
}

/** Whose price it is, for what, and when. */
export interface PriceContext {
  readonly tenant: string;
  /** Unix milliseconds at which the request arrived. */
  readonly at: number;
  /** The request runs at the vendor's rate for batches. */
  readonly isBatch?: boolean;
}

const DAY_MS = 86_400_000;

/** The prices of one target. */
interface TargetPrices {
  /** Those that can fit it. */
  readonly rules: readonly PriceRule[];
  /** Days since 1970 as of which the list price is known. */
  day: number;
  listPrice: ModelPrice | undefined;
}

/** Finds the price of a target: the first matching rule, else the model's configured price, else the list price. */
export class Prices {
  readonly #targets = new WeakMap<Target, TargetPrices>();
  /** Multiples of a price, by factor. */
  readonly #scaled = new WeakMap<ModelPrice, Map<string, ModelPrice>>();
  readonly #dayTimes = new DayTimes();

  constructor(
    private readonly modelData: Pick<ModelData, 'of'>,
    private readonly rules: readonly PriceRule[],
  ) {}

  /**
   * @param facts the model's configured facts
   * @returns undefined when no price is known
   */
  of(target: Target, facts: ModelOverrides | undefined, context: PriceContext): ModelPrice | undefined {
    const known = this.#targets.get(target) ?? this.#add(target);
    for (const rule of known.rules) {
      if (!holds(rule, context)) continue;
      const price = rule.price ?? this.#list(known, target, facts, context.at);
      return price && this.#times(price, this.#factor(rule, context));
    }
    return this.#list(known, target, facts, context.at);
  }

  /**
   * @param facts the configured facts of both models
   * @param at Unix milliseconds
   * @returns whether two targets have the same price for every tenant, at any time of that day
   */
  areSame(
    [target, other]: readonly [Target, Target],
    [facts, otherFacts]: readonly [ModelOverrides | undefined, ModelOverrides | undefined],
    at: number,
  ): boolean {
    const known = this.#targets.get(target) ?? this.#add(target);
    const others = this.#targets.get(other) ?? this.#add(other);
    if (known.rules.length !== others.rules.length) return false;
    if (known.rules.some((rule, index) => rule !== others.rules[index])) return false;
    return isDeepStrictEqual(this.#list(known, target, facts, at), this.#list(others, other, otherFacts, at));
  }

  #list(
    known: TargetPrices,
    target: Target,
    facts: ModelOverrides | undefined,
    at: number,
  ): ModelPrice | undefined {
    const day = Math.floor(at / DAY_MS);
    if (known.day !== day) {
      known.day = day;
      known.listPrice = this.modelData.of(target, facts).price;
    }
    return known.listPrice;
  }

  /** @returns undefined for 1 */
  #factor({ batch, dayTimes }: PriceRule, { at, isBatch }: PriceContext): string | undefined {
    const ofTime = dayTimes?.find((one) => this.#dayTimes.contains(one, at))?.factor;
    const ofBatch = isBatch ? batch : undefined;
    if (ofTime === undefined || ofBatch === undefined) return ofTime ?? ofBatch;
    return multiplyDecimals(ofTime, ofBatch);
  }

  #times(price: ModelPrice, factor: string | undefined): ModelPrice {
    if (factor === undefined) return price;
    let known = this.#scaled.get(price);
    if (!known) {
      known = new Map();
      this.#scaled.set(price, known);
    }
    let scaled = known.get(factor);
    if (!scaled) {
      scaled = scalePrice(price, factor);
      known.set(factor, scaled);
    }
    return scaled;
  }

  #add(target: Target): TargetPrices {
    const rules = this.rules.filter((rule) => concerns(rule, target));
    const prices = { rules, day: Number.NaN, listPrice: undefined };
    this.#targets.set(target, prices);
    return prices;
  }
}

function holds(rule: PriceRule, { tenant, at }: PriceContext): boolean {
  return (rule.tenant === null || rule.tenant === tenant) && at >= rule.from && at < rule.until;
}

function concerns(rule: PriceRule, { provider, model }: Target): boolean {
  if (rule.provider !== null && rule.provider !== provider.id) return false;
  return rule.model.endsWith('*') ? model.startsWith(rule.model.slice(0, -1)) : model === rule.model;
}
