import type { Usage } from '../core/usage.ts';
import { costPico, dollarsOfPico, rateOf, tiered } from './price.ts';
import type { ModelPrice } from './price-data.ts';

/** One part of the cost of a response. */
export interface PriceLine {
  readonly of: 'input' | 'cached input' | 'cache write' | 'output';
  readonly tokens: number;
  /** US dollars for a million tokens, as a decimal; null where the price is not known. */
  readonly perMillion: string | null;
  /** US dollars, as a decimal; null where the price is not known. */
  readonly cost: string | null;
}

/** @returns the cost of a response line by line: parts without tokens have none */
export function priceLines(
  price: ModelPrice | undefined,
  { inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, cacheWriteTokens = 0 }: Usage,
): PriceLine[] {
  const fresh = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens);
  const parts = [
    ['input', fresh],
    ['cached input', cachedInputTokens],
    ['cache write', cacheWriteTokens],
    ['output', outputTokens],
  ] as const;
  return parts.flatMap(([of, tokens], part): PriceLine[] => {
    if (tokens === 0) return [];
    const rate = price && rateOf(price, part);
    if (!rate) return [{ of, tokens, perMillion: null, cost: null }];
    const perMillion = tiered(rate, inputTokens);
    const pico = costPico({ input: { base: perMillion } }, { inputTokens: tokens, raw: {} });
    return [{ of, tokens, perMillion, cost: pico === undefined ? null : dollarsOfPico(pico) }];
  });
}
