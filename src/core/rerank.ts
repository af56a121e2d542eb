import type { Usage } from './usage.ts';

/** A canonical rerank request. */
export interface RerankRequest {
  readonly query: string;
  /** Texts; objects that clients send are already reduced to their text. */
  readonly documents: readonly string[];
  readonly topN?: number;
  /** Members of the body without a canonical form. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** A canonical rerank response. */
export interface RerankResult {
  readonly id?: string;
  /** Best first; at most `topN`. */
  readonly results: readonly { readonly index: number; readonly score: number }[];
  readonly usage?: Usage;
  /** Billed searches, for vendors that bill by search. */
  readonly searchUnits?: number;
}
