import type { ModelCapabilities } from '../core/capabilities.ts';
import type { ModelPrice } from './price-data.ts';

/** Facts of one model. Absent fields are unknown. */
export interface ModelInfo {
  readonly name?: string;
  readonly description?: string;
  /** Tokens of input and output together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
  readonly price?: ModelPrice;
  readonly capabilities: ModelCapabilities;
  readonly knowledgeCutoff?: string;
  readonly openWeights?: boolean;
  /** Where the facts come from. */
  readonly sources: readonly (
    | 'configuration'
    | 'price data'
    | 'capability data'
    | 'similar model'
    | 'name'
  )[];
}

/** Configured facts of a model, which override the data. */
export type ModelOverrides = Partial<
  Pick<ModelInfo, 'contextWindow' | 'maxOutputTokens' | 'price' | 'capabilities'>
>;
