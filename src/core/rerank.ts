import type { Usage } from './usage.ts';

export interface RerankRequest {
  readonly query: string;
  /** Texts; the objects that some clients send are reduced to their text before this. */
  readonly documents: readonly string[];
  readonly topN?: number;
  readonly extensions: Readonly<Record<string, unknown>>;
}

export interface RerankResult {
  readonly id?: string;
  /** Best first; at most `topN`. */
  readonly results: readonly { readonly index: number; readonly score: number }[];
  readonly usage?: Usage;
  /** Billed searches, where the vendor counts so. */
  readonly searchUnits?: number;
}
