import type { Target } from '../providers/types.ts';
import type { ModelData, ModelOverrides } from './model-data.ts';
import type { ModelPrice } from './price-data.ts';

/** A price that holds for some models, some tenants and some time, in place of the list price. */
export interface PriceRule {
  /** Of upstream models; `*` at the end stands for anything. */
  readonly model: string;
  readonly provider: string | null;
  readonly tenant: string | null;
  /** Unix milliseconds: from inclusive, until exclusive. */
  readonly from: number;
  readonly until: number;
  readonly price: ModelPrice;
}

const DAY_MS = 86_400_000;

/** What things cost: by the first rule that fits, else as the model is configured, else by list prices of the day. */
export class Prices {
  /** List prices by target, as of a day. */
  readonly #listed = new WeakMap<Target, { readonly day: number; readonly price: ModelPrice | undefined }>();

  constructor(
    private readonly modelData: Pick<ModelData, 'of'>,
    private readonly rules: readonly PriceRule[],
  ) {}

  /** @param at Unix milliseconds */
  of(target: Target, facts: ModelOverrides | undefined, tenant: string, at: number): ModelPrice | undefined {
    for (const rule of this.rules) if (fits(rule, target, tenant, at)) return rule.price;
    const day = Math.floor(at / DAY_MS);
    const known = this.#listed.get(target);
    if (known?.day === day) return known.price;
    const { price } = this.modelData.of(target, facts);
    this.#listed.set(target, { day, price });
    return price;
  }
}

function fits(rule: PriceRule, { provider, model }: Target, tenant: string, at: number): boolean {
  if (rule.tenant !== null && rule.tenant !== tenant) return false;
  if (rule.provider !== null && rule.provider !== provider.id) return false;
  if (at < rule.from || at >= rule.until) return false;
  return rule.model.endsWith('*') ? model.startsWith(rule.model.slice(0, -1)) : model === rule.model;
}
