import { calcPrice } from '@pydantic/genai-prices';
import { isRecord } from '../core/json.ts';

/** US dollars per million tokens, as exact decimals. A tier counts from that many input tokens on. */
export interface TokenPrice {
  readonly base: string;
  readonly tiers?: readonly { readonly fromTokens: number; readonly price: string }[];
}

/** List prices of one model. What is absent is not known, or not sold. */
export interface ModelPrice {
  readonly input?: TokenPrice;
  readonly output?: TokenPrice;
  readonly cachedInput?: TokenPrice;
  readonly cacheWrite?: TokenPrice;
  /** For the time that a request takes: US dollars per hour, shared by so many. */
  readonly time?: { readonly perHour: string; readonly share: number };
}

export interface PricedModel {
  readonly contextWindow?: number;
  readonly description?: string;
  readonly price: ModelPrice;
}

/** The data package's names of what is paid for. */
const FIELDS = {
  input: 'input_mtok',
  output: 'output_mtok',
  cachedInput: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
} as const satisfies Record<Exclude<keyof ModelPrice, 'time'>, string>;

/** Digits without an exponent; the data has at most a dozen decimals. */
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
 * Price and context window from the kept price data, which is inside its package: nothing is fetched.
 * @param provider the data's name of the provider; without it, any provider that has the model
 * @param at prices change; the day counts
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
