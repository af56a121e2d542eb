import type { ModelCapabilities } from '../core/capabilities.ts';
import type { ModelPrice } from './price-data.ts';

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
