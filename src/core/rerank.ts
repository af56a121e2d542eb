import type { Usage } from './usage.ts';

/** A request to rank documents by their relevance to a query, in canonical form. */
export interface RerankRequest {
  readonly query: string;
  /** Texts; the objects that some clients send are reduced to their text before this. */
  readonly documents: readonly string[];
  readonly topN?: number;
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** The ranked documents, most relevant first. */
export interface RerankResult {
  readonly id?: string;
  /** Best first; at most `topN`. */
  readonly results: readonly { readonly index: number; readonly score: number }[];
  readonly usage?: Usage;
  /** Billed searches, where the vendor counts so. */
  readonly searchUnits?: number;
}
