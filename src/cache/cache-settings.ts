import type { ModelPrice } from '../metering/price-data.ts';

/** How responses of one model are cached. Times are milliseconds. */
export interface ExactSettings {
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  readonly sampled: boolean;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly replay: 'instant' | 'paced';
  readonly maxEntryBytes: number;
  /** Of a response from the cache; undefined for 0. */
  readonly price: ModelPrice | undefined;
}

/** How vectors of one model are cached. */
export interface EmbeddingSettings {
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  /** Of a response whose vectors are all from the cache; undefined for 0. */
  readonly price: ModelPrice | undefined;
}

/** How concurrent requests of one model share calls. */
export interface CoalescingSettings {
  /** Bytes that one follower may be behind. */
  readonly bufferBytes: number;
  /** Gateways wait for each other's calls. */
  readonly isShared: boolean;
}

/** How responses to questions that ask for the same are served. Shares are from 0 to 1. */
export interface SemanticSettings {
  /** `shadow` finds what would be served, and serves nothing. */
  readonly mode: 'shadow' | 'serve';
  /** The embeddings model; undefined for the built-in embedder. */
  readonly model: string | undefined;
  /** Least similarity of a candidate. */
  readonly threshold: number;
  /** Most candidates that are compared. */
  readonly candidates: number;
  readonly ttlMs: number;
  /** How long a lookup may take, the vector included. */
  readonly timeoutMs: number;
  /** A model that is asked before a hit is served. */
  readonly judge: { readonly model: string; readonly share: number; readonly timeoutMs: number } | undefined;
  /** Which share of hits is compared with a new response, and when that stops serving. */
  readonly verify: {
    readonly share: number;
    readonly maxShare: number;
    readonly minSamples: number;
    readonly pauseMs: number;
  };
}

/** What is on for a model. */
export interface CacheSettings {
  readonly exact: ExactSettings | undefined;
  readonly embeddings: EmbeddingSettings | undefined;
  readonly coalescing: CoalescingSettings | undefined;
  readonly semantic: SemanticSettings | undefined;
}
