import type { Usage } from '../core/usage.ts';
import type { ModelPrice, TokenPrice } from './price-data.ts';

const PICO_PLACES = 12;
const MILLION_PLACES = 6;
const PICO_PER_NANO = 1_000;
const PICO_PER_MICRO = 1_000_000;
const HOUR_MS = 3_600_000n;
const ZERO = 48;

/**
 * Cost of one attempt. Exact for prices with up to six decimals per million tokens, as list prices have; with finer
 * prices, the sum is rounded once, half up.
 *
 * @param durationMs duration of the attempt, for prices by time
 * @returns 10^-12 US dollars, exact up to 9,007 dollars; undefined when a price is unknown
 */
export function costPico(price: ModelPrice, usage: Usage, durationMs = 0): number | undefined {
  const { time } = price;
  const forTime = time ? timePico(time, durationMs) : 0;
  // With a price by time, tokens cost only where they have a price too.
  if (time && !price.input && !price.output) return forTime;
  const forTokens = tokensPico(price, usage);
  return forTokens === undefined ? undefined : forTokens + forTime;
}

/**
 * The part of a cost that output tokens have, reasoning included; input and time cost the rest.
 *
 * @param cost of the usage, by `costPico`
 * @returns 10^-12 US dollars
 */
export function outputCostPico(price: ModelPrice, usage: Usage, cost: number, durationMs: number): number {
  const { inputTokens = 0, outputTokens = 0 } = usage;
  const direct = partPico(rateOf(price, 3), outputTokens, inputTokens);
  if (Number.isSafeInteger(direct)) return direct;
  const { outputTokens: _, ...input } = usage;
  return cost - (costPico(price, input, durationMs) ?? cost);
}

/**
 * What a provider's prompt cache saved: the cost of the same input without it, less the cost as it was.
 *
 * @returns 10^-12 US dollars, negative where writing cost more than reading saved; 0 when a price is unknown
 */
export function promptCacheSavingPico(price: ModelPrice, usage: Usage): number {
  const { cachedInputTokens = 0, cacheWriteTokens = 0 } = usage;
  if (cachedInputTokens === 0 && cacheWriteTokens === 0) return 0;
  const { inputTokens } = usage;
  const without = tokensPico(price, { ...(inputTokens === undefined ? {} : { inputTokens }), raw: {} });
  const { outputTokens: _, ...input } = usage;
  const real = tokensPico(price, input);
  return without === undefined || real === undefined ? 0 : without - real;
}

/**
 * The highest cost of some tokens, whichever part of the input the provider reads from its cache or writes to it.
 *
 * @param durationMs duration of the attempt, for prices by time
 * @returns as `costPico`
 */
export function highestCostPico(
  price: ModelPrice,
  { inputTokens, outputTokens }: { readonly inputTokens: number; readonly outputTokens: number },
  durationMs: number,
): number | undefined {
  const usage: Usage = { inputTokens, outputTokens, raw: {} };
  const highest = costPico(price, usage, durationMs);
  if (highest === undefined || (!price.cacheWrite && !price.cachedInput)) return highest;
  const written = costPico(price, { ...usage, cacheWriteTokens: inputTokens }, durationMs);
  const read = costPico(price, { ...usage, cachedInputTokens: inputTokens }, durationMs);
  return Math.max(highest, written ?? 0, read ?? 0);
}

function timePico({ perHour, share }: NonNullable<ModelPrice['time']>, durationMs: number): number {
  const [whole = '0', fraction = ''] = perHour.split('.');
  const pico = BigInt(whole + fraction.slice(0, PICO_PLACES).padEnd(PICO_PLACES, '0'));
  const unit = HOUR_MS * BigInt(share);
  return Number((pico * BigInt(Math.round(durationMs)) + unit / 2n) / unit);
}

/**
 * Price of a write that is kept for an hour, in prices of input.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing
 */
const LONG_WRITE_INPUTS = 2;

/** @returns the tokens written for an hour; 0 where the price does not tell writes from other input */
function longWrites(
  { cacheWrite }: ModelPrice,
  { cacheWriteTokens = 0, longCacheWriteTokens = 0 }: Usage,
): number {
  return cacheWrite ? Math.min(longCacheWriteTokens, cacheWriteTokens) : 0;
}

function tokensPico(price: ModelPrice, usage: Usage): number | undefined {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, cacheWriteTokens = 0 } = usage;
  const fresh = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens);
  const long = longWrites(price, usage);
  const sum =
    partPico(rateOf(price, 0), fresh, inputTokens) +
    partPico(rateOf(price, 1), cachedInputTokens, inputTokens) +
    partPico(rateOf(price, 2), cacheWriteTokens - long, inputTokens) +
    LONG_WRITE_INPUTS * partPico(rateOf(price, 0), long, inputTokens) +
    partPico(rateOf(price, 3), outputTokens, inputTokens);
  return Number.isSafeInteger(sum) ? sum : exactly(price, usage);
}

/** @returns NaN when the price is unknown, or has a fraction of 10^-12 dollars per token */
function partPico(rate: TokenPrice | undefined, tokens: number, inputTokens: number): number {
  if (tokens === 0) return 0;
  return rate ? tokens * (picoPerToken(tiered(rate, inputTokens)) ?? Number.NaN) : Number.NaN;
}

/** @returns 10^-9 US dollars, rounded up: the amount that budgets are charged */
export function nanoOfPico(pico: number): number {
  return Math.ceil(pico / PICO_PER_NANO);
}

/** @param pico 10^-12 US dollars. @returns US dollars as an exact decimal */
export function dollarsOfPico(pico: number | bigint): string {
  // Larger numbers would be formatted with an exponent.
  const exact = typeof pico === 'number' && !Number.isSafeInteger(pico) ? BigInt(pico) : pico;
  const digits = String(exact < 0 ? -exact : exact).padStart(PICO_PLACES + 1, '0');
  const point = digits.length - PICO_PLACES;
  let end = digits.length;
  while (end > point && digits.charCodeAt(end - 1) === ZERO) end -= 1;
  const fraction = end === point ? '' : `.${digits.slice(point, end)}`;
  return `${exact < 0 ? '-' : ''}${digits.slice(0, point)}${fraction}`;
}

/** @param part 0 for input, 1 for cached input, 2 for input that is written to the cache, 3 for output */
export function rateOf(price: ModelPrice, part: number): TokenPrice | undefined {
  if (part === 0) return price.input;
  if (part === 1) return price.cachedInput ?? price.input;
  return part === 2 ? (price.cacheWrite ?? price.input) : price.output;
}

/** @returns the price of the highest tier that the input tokens reach */
export function tiered({ base, tiers }: TokenPrice, inputTokens: number): string {
  let rate = base;
  if (tiers) for (const { fromTokens, price } of tiers) if (inputTokens >= fromTokens) rate = price;
  return rate;
}

/** @param perMillion US dollars per million tokens. @returns 10^-12 US dollars per token; undefined when not an integer */
function picoPerToken(perMillion: string): number | undefined {
  const point = perMillion.indexOf('.');
  const places = point < 0 ? 0 : perMillion.length - point - 1;
  return places > PICO_PLACES - MILLION_PLACES ? undefined : Math.round(Number(perMillion) * PICO_PER_MICRO);
}

function exactly(price: ModelPrice, usage: Usage): number | undefined {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, cacheWriteTokens = 0 } = usage;
  const long = longWrites(price, usage);
  const tokens = [
    // At twice the price of input: as twice as many tokens.
    Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens) + LONG_WRITE_INPUTS * long,
    cachedInputTokens,
    cacheWriteTokens - long,
    outputTokens,
  ];
  // Sum with 18 decimals, for prices per million tokens with up to 12.
  let sum = 0n;
  for (const [part, count] of tokens.entries()) {
    if (count === 0) continue;
    const rate = rateOf(price, part);
    if (!rate) return undefined;
    const [whole = '0', fraction = ''] = tiered(rate, inputTokens).split('.');
    sum += BigInt(whole + fraction.slice(0, PICO_PLACES).padEnd(PICO_PLACES, '0')) * BigInt(count);
  }
  const unit = 10n ** BigInt(MILLION_PLACES);
  return Number((sum + unit / 2n) / unit);
}
