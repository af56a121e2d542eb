import type { ModelCapabilities } from '../core/capabilities.ts';
import type { Target } from '../providers/types.ts';
import { lookUpCapabilities } from './capability-data.ts';
import { lookUpPrice, type ModelPrice } from './price-data.ts';

/** What is known of a model. What is absent is not known. */
export interface ModelInfo {
  readonly name?: string;
  readonly description?: string;
  /** Tokens of prompt and answer together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly price?: ModelPrice;
  readonly capabilities: ModelCapabilities;
  readonly knowledgeCutoff?: string;
  readonly openWeights?: boolean;
  /** Where it was found. */
  readonly sources: readonly (
    | 'configuration'
    | 'price data'
    | 'capability data'
    | 'similar model'
    | 'name'
  )[];
}

/** What the configuration says of a model; it wins over the data. */
export type ModelOverrides = Partial<
  Pick<ModelInfo, 'contextWindow' | 'maxOutputTokens' | 'price' | 'capabilities'>
>;

const NOTHING: ModelInfo = { capabilities: {}, sources: [] };

/** Facts about models, from kept data and the configuration. Looked up once for each model. */
export class ModelData {
  readonly #known = new Map<string, ModelInfo>();

  /** @param today prices change; looked up again when the day is another */
  constructor(private readonly today: () => Date) {}

  of({ provider, model }: Target, overrides: ModelOverrides = {}): ModelInfo {
    const day = this.today();
    const key = `${day.toISOString().slice(0, 10)} ${provider.kind} ${provider.profile.label} ${model}`;
    let info = this.#known.get(key);
    if (!info) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      info = lookUp(provider.profile.dataNames ?? {}, model, day);
      this.#known.set(key, info);
    }
    return merge(info, overrides);
  }
}

/** Clients may name any model of a provider, so what is kept has to end somewhere. */
const MAX_KNOWN = 10_000;

function lookUp(names: { prices?: string; models?: string }, model: string, at: Date): ModelInfo {
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

function merge(info: ModelInfo, overrides: ModelOverrides): ModelInfo {
  for (const _ in overrides) {
    const { capabilities, ...rest } = overrides;
    return {
      ...info,
      ...rest,
      capabilities: { ...info.capabilities, ...capabilities },
      sources: ['configuration', ...info.sources],
    };
  }
  return info;
}
