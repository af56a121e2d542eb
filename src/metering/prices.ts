import type { Target } from '../providers/types.ts';
import type { ModelData, ModelOverrides } from './model-data.ts';
import type { ModelPrice } from './price-data.ts';

/** A configured price that replaces the list price for some models, tenants and times. */
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
  readonly price: ModelPrice;
}

const DAY_MS = 86_400_000;

/** Finds the price of a target: the first matching rule, else the model's configured price, else the list price. */
export class Prices {
  /** List prices by target, as of a day. */
  readonly #listed = new WeakMap<Target, { readonly day: number; readonly price: ModelPrice | undefined }>();

  /** The rules that can fit a target. */
  readonly #rules = new WeakMap<Target, readonly PriceRule[]>();

  constructor(
    private readonly modelData: Pick<ModelData, 'of'>,
    private readonly rules: readonly PriceRule[],
  ) {}

  /**
   * @param facts the model's configured facts
   * @param at Unix milliseconds
   * @returns undefined when no price is known
   */
  of(target: Target, facts: ModelOverrides | undefined, tenant: string, at: number): ModelPrice | undefined {
    for (const rule of this.#rulesOf(target)) if (holds(rule, tenant, at)) return rule.price;
    const day = Math.floor(at / DAY_MS);
    const known = this.#listed.get(target);
    if (known?.day === day) return known.price;
    const { price } = this.modelData.of(target, facts);
    this.#listed.set(target, { day, price });
    return price;
  }

  #rulesOf(target: Target): readonly PriceRule[] {
    let rules = this.#rules.get(target);
    if (!rules) {
      rules = this.rules.filter((rule) => concerns(rule, target));
      this.#rules.set(target, rules);
    }
    return rules;
  }
}

function holds(rule: PriceRule, tenant: string, at: number): boolean {
  return (rule.tenant === null || rule.tenant === tenant) && at >= rule.from && at < rule.until;
}

function concerns(rule: PriceRule, { provider, model }: Target): boolean {
  if (rule.provider !== null && rule.provider !== provider.id) return false;
  return rule.model.endsWith('*') ? model.startsWith(rule.model.slice(0, -1)) : model === rule.model;
}
