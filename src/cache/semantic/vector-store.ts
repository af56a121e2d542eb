import type { EntryOwner } from '../cache-entry.ts';
import type { CacheContents, CacheFilter } from '../cache-store.ts';

/** A question that is stored with its vector. */
export interface VectorRecord {
  /** Unique; a record with a known id replaces the old one. */
  readonly id: string;
  /** Only vectors of the same partition are ever compared. */
  readonly partition: string;
  readonly owner: EntryOwner;
  /** Unix milliseconds. */
  readonly storedAt: number;
  readonly expiresAt: number;
  /** Of length 1. */
  readonly vector: Float32Array;
  /** What the reader needs; sealed where it leaves the process. */
  readonly payload: string;
}

/** A stored question that is similar to another one. */
export interface VectorMatch {
  readonly id: string;
  /** Cosine, from -1 to 1. */
  readonly similarity: number;
  readonly payload: string;
}

export interface VectorQuery {
  readonly tenant: string;
  readonly partition: string;
  readonly vector: Float32Array;
  /** Most matches. */
  readonly limit: number;
  /** Least similarity of a match. */
  readonly threshold: number;
  /** Unix milliseconds: what has expired is no match. */
  readonly now: number;
}

/**
 * Keeps vectors and finds similar ones. Vectors of another dimension are never a match. Whatever a store returns is checked
 * again by the reader. Callers set a deadline; a store may fail or never respond.
 */
export interface VectorStore {
  /** @returns matches, the most similar one first */
  search(query: VectorQuery): readonly VectorMatch[] | Promise<readonly VectorMatch[]>;
  add(record: VectorRecord): void | Promise<void>;
  remove(id: string, tenant: string): void | Promise<void>;
  /**
   * Removes records.
   * @param dryRun counts them only
   * @returns how many
   */
  clear(filter: CacheFilter, dryRun: boolean): Promise<number>;
  /** Undefined where the store does not count. */
  contents(): CacheContents | undefined;
  close?(): void | Promise<void>;
}
