import { CallBreaker } from '../../core/call-breaker.ts';
import type { Clock } from '../../core/clock.ts';
import {
  type CachedResponse,
  type CacheEntry,
  ENTRY_FORMAT,
  type EntryOwner,
  usability,
} from '../cache-entry.ts';
import { type CacheFilter, type CacheStore, SKIPPED } from '../cache-store.ts';
import { LATE, withinDeadline } from '../within-deadline.ts';
import { compareQuestions, type GuardReason } from './guard/compare-questions.ts';
import type { PayloadCodec } from './semantic-payload.ts';
import type { VectorMatch, VectorStore } from './vector-store.ts';

/** Why no lookup was made. */
export type SemanticSkip = 'timeout' | 'unavailable' | 'paused';

/** A question that a stored response may be served for. */
export interface SemanticQuery {
  readonly question: string;
  readonly partition: string;
  readonly tenant: string;
  readonly namespace: string;
  readonly vector: Float32Array;
}

export interface SearchSettings {
  /** Least similarity of a candidate, from 0 to 1. */
  readonly threshold: number;
  /** Most candidates that are compared. */
  readonly candidates: number;
  /** Milliseconds that a lookup may take. */
  readonly timeoutMs: number;
}

/** A candidate that may not be served, and why. */
export interface RejectedCandidate {
  readonly requestId: string;
  readonly similarity: number;
  readonly reason: GuardReason | 'expired';
  readonly detail: string;
}

/** The response that may be served. */
export interface SemanticMatch {
  readonly requestId: string;
  readonly similarity: number;
  readonly question: string;
  readonly entry: CacheEntry<CachedResponse>;
}

export interface SemanticFinding {
  readonly match?: SemanticMatch | undefined;
  /** The most similar candidate that was rejected. */
  readonly rejected?: RejectedCandidate | undefined;
  readonly skipped?: SemanticSkip | undefined;
}

export interface SemanticCacheOptions {
  readonly clock: Clock;
  readonly vectors: VectorStore;
  readonly responses: CacheStore<CachedResponse>;
  readonly payloads: PayloadCodec;
  readonly onSkip: (reason: SemanticSkip, error: unknown) => void;
}

/** After three failures in a row, the stores are not asked for a second. */
const BREAKER = { failures: 3, maxPauseMs: 1_000 };

/** Finds a stored response to a question that asks for the same. Similarity finds candidates, the guard decides. */
export class SemanticCache {
  readonly #breaker: CallBreaker;

  constructor(private readonly options: SemanticCacheOptions) {
    this.#breaker = new CallBreaker(() => options.clock.now(), BREAKER);
  }

  /** Never throws, and never waits longer than the settings say. */
  async find(query: SemanticQuery, settings: SearchSettings): Promise<SemanticFinding> {
    const { clock, vectors } = this.options;
    const startedAt = clock.now();
    if (!this.#breaker.admit()) return { skipped: 'paused' };
    try {
      const { tenant, partition, vector } = query;
      const search = { tenant, partition, vector, limit: settings.candidates, threshold: settings.threshold };
      const searching = vectors.search({ ...search, now: clock.wallTime() });
      const matches = await withinDeadline(searching, settings.timeoutMs, clock);
      if (matches === LATE)
        return this.#skip('timeout', new Error('the vector store did not respond in time'));
      this.#breaker.succeeded();
      return await this.#decide(query, matches, startedAt + settings.timeoutMs);
    } catch (error) {
      return this.#skip('unavailable', error);
    }
  }

  /** Keeps a response for questions like this one. Not waited for. */
  remember(
    { question, partition, tenant, namespace, vector }: SemanticQuery,
    requestId: string,
    entry: CacheEntry<CachedResponse>,
    ttlMs: number,
  ): void {
    const { vectors, responses, payloads, onSkip } = this.options;
    if (this.#breaker.isOpen) return;
    const { key, owner, storedAt, value } = entry;
    const expiresAt = storedAt + ttlMs;
    const kept = {
      format: ENTRY_FORMAT,
      key,
      owner,
      storedAt,
      freshUntil: expiresAt,
      usableUntil: expiresAt,
      value,
    };
    const payload = payloads.encode({ question, requestId, key, tenant, namespace, partition });
    try {
      responses.set(kept);
      const record = {
        id: key,
        partition,
        owner: owner satisfies EntryOwner,
        storedAt,
        expiresAt,
        vector,
        payload,
      };
      const adding = vectors.add(record);
      if (adding instanceof Promise) adding.catch((error: unknown) => onSkip('unavailable', error));
    } catch (error) {
      onSkip('unavailable', error);
    }
  }

  /** Removes responses and their questions. @returns how many responses */
  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const { vectors, responses } = this.options;
    await vectors.clear(filter, dryRun);
    return responses.clear(filter, dryRun);
  }

  async #decide(
    query: SemanticQuery,
    matches: readonly VectorMatch[],
    until: number,
  ): Promise<SemanticFinding> {
    const { payloads, clock } = this.options;
    let rejected: RejectedCandidate | undefined;
    for (const { id, similarity, payload } of matches) {
      const stored = payloads.decode(payload);
      // Poisoned, or another tenant's: a store may return anything.
      if (
        !stored ||
        stored.key !== id ||
        stored.partition !== query.partition ||
        stored.tenant !== query.tenant ||
        stored.namespace !== query.namespace
      ) {
        this.#forget(id, query.tenant);
        continue;
      }
      const { requestId, question } = stored;
      const verdict = compareQuestions(query.question, question);
      if (!verdict.matches) {
        rejected ??= { requestId, similarity, reason: verdict.reason, detail: verdict.detail };
        continue;
      }
      const entry = await withinDeadline(this.#entry(id, query), Math.max(1, until - clock.now()), clock);
      if (entry === LATE) return this.#skip('timeout', new Error('the cache did not respond in time'));
      if (entry) return { match: { requestId, similarity, question, entry }, rejected };
      rejected ??= { requestId, similarity, reason: 'expired', detail: 'its response is no longer stored' };
    }
    return { rejected };
  }

  async #entry(
    key: string,
    { tenant, namespace }: SemanticQuery,
  ): Promise<CacheEntry<CachedResponse> | undefined> {
    const { responses, clock } = this.options;
    const entry = await responses.get(key, tenant);
    if (entry === SKIPPED) return undefined;
    const isUsable = entry && usability(entry, key, tenant, clock.wallTime()) === 'fresh';
    if (isUsable && entry.owner.namespace === namespace) return entry;
    this.#forget(key, tenant);
    return undefined;
  }

  #forget(id: string, tenant: string): void {
    const { vectors, onSkip } = this.options;
    const removing = vectors.remove(id, tenant);
    if (removing instanceof Promise) removing.catch((error: unknown) => onSkip('unavailable', error));
  }

  #skip(reason: SemanticSkip, error: unknown): SemanticFinding {
    this.#breaker.failed();
    this.options.onSkip(reason, error);
    return { skipped: reason };
  }
}
