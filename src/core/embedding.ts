import type { Usage } from './usage.ts';

/** A request for embeddings, in canonical form. */
export interface EmbeddingRequest {
  /** Texts, or lists of token ids. */
  readonly inputs: readonly (string | readonly number[])[];
  readonly dimensions?: number;
  /** How the client wants the vectors. */
  readonly encoding: 'float' | 'base64';
  /** The use of the vectors, for vendors that tell queries from documents: such as `search_query`, `search_document`. */
  readonly inputType?: string;
  readonly user?: string;
  /** Members of the body without a place here. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** Embeddings in the order of the inputs. */
export interface EmbeddingResult {
  /** One per input, in order. */
  readonly vectors: readonly (readonly number[])[];
  readonly usage?: Usage;
}
