import { calcPrice } from '@pydantic/genai-prices';
import { isRecord } from '../core/json.ts';

/** US dollars per million tokens, as exact decimals. A tier applies from `fromTokens` input tokens. */
export interface TokenPrice {
  readonly base: string;
  readonly tiers?: readonly { readonly fromTokens: number; readonly price: string }[];
}

/** Prices of one model. Absent prices are unknown or do not apply. */
export interface ModelPrice {
  readonly input?: TokenPrice;
  readonly output?: TokenPrice;
  readonly cachedInput?: TokenPrice;
  readonly cacheWrite?: TokenPrice;
  /** Price by duration: US dollars per hour, divided by the number of requests that share the machine. */
  readonly time?: { readonly perHour: string; readonly share: number };
}

/** A model in the price data. */
export interface PricedModel {
  readonly contextWindow?: number;
  readonly description?: string;
  readonly price: ModelPrice;
}

/** Names of the prices in the data package. */
const FIELDS = {
  input: 'input_mtok',
  output: 'output_mtok',
  cachedInput: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
} as const satisfies Record<Exclude<keyof ModelPrice, 'time'>, string>;

/** A decimal without an exponent; the data has at most 12 decimal places. */
function decimal(value: number): string {
  return value.toFixed(12).replace(/\.?0+$/, '');
}

function tokenPrice(value: unknown): TokenPrice | undefined {
  if (typeof value === 'number') return { base: decimal(value) };
  if (!isRecord(value) || typeof value.base !== 'number') return undefined;
  const tiers: unknown[] = Array.isArray(value.tiers) ? value.tiers : [];
  return {
    base: decimal(value.base),
    tiers: tiers.flatMap((tier) =>
      isRecord(tier) && typeof tier.start === 'number' && typeof tier.price === 'number'
        ? [{ fromTokens: tier.start, price: decimal(tier.price) }]
        : [],
    ),
  };
}

/**
 * Looks a model up in the price data of `@pydantic/genai-prices`, which is part of the package: nothing is fetched.
 *
 * @param provider the data's name of the provider; undefined finds the model at any provider
 * @param at the day of the prices
 * @returns undefined when the model is not in the data
 */
export function lookUpPrice(provider: string | undefined, model: string, at: Date): PricedModel | undefined {
  const options = { timestamp: at, ...(provider === undefined ? {} : { providerId: provider }) };
  const found = calcPrice({}, model, options);
  if (!found) return undefined;
  const price: Record<string, TokenPrice> = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = tokenPrice(found.model_price[field]);
    if (value) price[name] = value;
  }
  const { context_window: contextWindow, description } = found.model;
  return {
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(description === undefined ? {} : { description }),
    price,
  };
}
