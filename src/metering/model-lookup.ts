import type { ModelCapabilities } from '../core/capabilities.ts';
import { indexCapabilities, lookUpCapabilities } from './capability-data.ts';
import type { ModelInfo } from './model-info.ts';
import { lookUpPrice } from './price-data.ts';

const NOTHING: ModelInfo = { capabilities: {}, sources: [] };

/** Does what the first lookup would otherwise do: 30 ms of validating and indexing. */
export const prepareLookUps: () => void = indexCapabilities;

/**
 * What the kept data tell of a model.
 * @param names what the data call its provider
 * @param at prices change; the day counts
 */
export function lookUpModel(names: { prices?: string; models?: string }, model: string, at: Date): ModelInfo {
  const { prices, models } = names;
  // Without a vendor there is no list price: a model on one's own machine costs what its operator says.
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

/** Models that are no chat models say so in their names; the data seldom does. */
function specialPurpose(model: string): ModelCapabilities | undefined {
  if (/re-?rank/i.test(model)) return { rerank: true };
  return /embed/i.test(model) ? { embeddings: true } : undefined;
}
