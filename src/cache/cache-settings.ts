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

/** What is on for a model. */
export interface CacheSettings {
  readonly exact: ExactSettings | undefined;
  readonly embeddings: EmbeddingSettings | undefined;
  readonly coalescing: CoalescingSettings | undefined;
}
