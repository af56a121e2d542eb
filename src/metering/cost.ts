import type { Usage } from '../core/usage.ts';
import type { ModelPrice, TokenPrice } from './price-data.ts';

/** A decimal number as a whole one and how many of its digits stand behind the point. */
interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

const PER_MILLION_PLACES = 6;

function parse(text: string): Decimal {
  const [whole = '0', fraction = ''] = text.split('.');
  return { units: BigInt(whole + fraction), places: fraction.length };
}

function add(a: Decimal, b: Decimal): Decimal {
  const places = Math.max(a.places, b.places);
  const scaled = ({ units, places: own }: Decimal) => units * 10n ** BigInt(places - own);
  return { units: scaled(a) + scaled(b), places };
}

function format({ units, places }: Decimal): string {
  const digits = units.toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** The rate that holds for so many input tokens. */
function rateOf({ base, tiers = [] }: TokenPrice, inputTokens: number): string {
  return tiers.reduce((rate, { fromTokens, price }) => (inputTokens >= fromTokens ? price : rate), base);
}

/**
 * What an answer costs in US dollars, as an exact decimal: nothing is rounded. Cached input has its own price where
 * there is one, and else that of input; a price that is not known makes the cost unknown, not zero.
 */
export function costOf(price: ModelPrice, usage: Usage): string | undefined {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, cacheWriteTokens = 0 } = usage;
  const fresh = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens);
  const parts: readonly (readonly [tokens: number, rate: TokenPrice | undefined])[] = [
    [fresh, price.input],
    [cachedInputTokens, price.cachedInput ?? price.input],
    [cacheWriteTokens, price.cacheWrite ?? price.input],
    [outputTokens, price.output],
  ];
  let sum: Decimal = { units: 0n, places: 0 };
  for (const [tokens, rate] of parts) {
    if (tokens === 0) continue;
    if (!rate) return undefined;
    const { units, places } = parse(rateOf(rate, inputTokens));
    sum = add(sum, { units: units * BigInt(tokens), places: places + PER_MILLION_PLACES });
  }
  return format(sum);
}

const NANO_PLACES = 9;

/** US dollars as whole thousand-millionths, for metrics and comparisons; what is finer is dropped. */
export function nanoUsd(cost: string): number {
  const { units, places } = parse(cost);
  const scaled =
    places <= NANO_PLACES
      ? units * 10n ** BigInt(NANO_PLACES - places)
      : units / 10n ** BigInt(places - NANO_PLACES);
  return Number(scaled);
}

/** The exact sum of two amounts, as decimals. */
export function addCosts(a: string, b: string): string {
  return format(add(parse(a), parse(b)));
}
