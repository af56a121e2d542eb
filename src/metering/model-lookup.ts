import type { ModelCapabilities } from '../core/capabilities.ts';
import { indexCapabilities, lookUpCapabilities } from './capability-data.ts';
import type { ModelInfo } from './model-info.ts';
import { lookUpPrice } from './price-data.ts';

const NOTHING: ModelInfo = { capabilities: {}, sources: [] };

/** Validates and indexes the data in advance, which takes 30 ms. */
export const prepareLookUps: () => void = indexCapabilities;

/**
 * Looks a model up in the data packages.
 *
 * @param names names of its provider in the price data and the capability data
 * @param at the day of the prices
 * @returns known facts; empty ones when the model is unknown
 */
export function lookUpModel(names: { prices?: string; models?: string }, model: string, at: Date): ModelInfo {
  const { prices, models } = names;
  // Without a vendor there is no list price: the operator of a self-hosted model configures it.
  const priced = prices === undefined ? undefined : lookUpPrice(prices, model, at);
  const capable = lookUpCapabilities(models, model);
  const special = specialPurpose(model);
  if (!priced && !capable) return special ? { capabilities: special, sources: ['name'] } : NOTHING;
  const { inferred, capabilities = {}, ...facts } = capable ?? {};
  return {
    ...facts,
    ...(priced?.contextWindow === undefined ? {} : { contextWindow: priced.contextWindow }),
    ...(priced?.description === undefined ? {} : { description: priced.description }),
    ...(priced === undefined ? {} : { price: priced.price }),
    capabilities: { ...capabilities, ...special },
    sources: [
      ...(priced ? (['price data'] as const) : []),
      ...(capable ? [inferred ? ('similar model' as const) : ('capability data' as const)] : []),
    ],
  };
}

/** Names of models for reranking and embeddings say so; the data rarely does. */
function specialPurpose(model: string): ModelCapabilities | undefined {
  if (/re-?rank/i.test(model)) return { rerank: true };
  return /embed/i.test(model) ? { embeddings: true } : undefined;
}
