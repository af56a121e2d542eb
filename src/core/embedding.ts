import type { Usage } from './usage.ts';

/** A text, a list of token ids and texts, or an object in an engine's own form. */
export type EmbeddingInput = string | readonly (string | number)[] | Readonly<Record<string, unknown>>;

/** A canonical embedding request. */
export interface EmbeddingRequest {
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions?: number;
  /** Format of the vectors in the response. */
  readonly encoding: 'float' | 'base64';
  /** The use of the vectors, for vendors that tell queries from documents: such as `search_query`, `search_document`. */
  readonly inputType?: string;
  readonly user?: string;
  /** Members of the body without a canonical form. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** A canonical embedding response. */
export interface EmbeddingResult {
  /** One vector per input, in order. */
  readonly vectors: readonly (readonly number[])[];
  readonly usage?: Usage;
}
