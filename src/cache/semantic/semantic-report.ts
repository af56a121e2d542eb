import { LRUCache } from 'lru-cache';

/** What the semantic cache decided for one request that had a candidate. */
export interface SemanticDecision {
  /** Unix milliseconds. */
  readonly at: number;
  readonly requestId: string;
  readonly result: 'hit' | 'would_hit' | 'rejected';
  readonly similarity: number | undefined;
  /** The request that the candidate's response was made for. */
  readonly matchedRequestId: string | undefined;
  /** Why it was not served. */
  readonly reason: string | undefined;
  /** Whether the responses differ; undefined where they were not compared. */
  readonly isFalse: boolean | undefined;
}

/** What was found for one model of a tenant since this process started. */
export interface SemanticCounts {
  /** Unix milliseconds of the first lookup. */
  readonly since: number;
  readonly hit: number;
  readonly would_hit: number;
  readonly rejected: number;
  readonly none: number;
  readonly skipped: number;
  /** Compared hits, and those of them whose responses differ. */
  readonly compared: number;
  readonly false_hits: number;
  /** What the hits that were not served would have saved. */
  readonly wouldSaveNanoUsd: number;
  readonly wouldSaveMs: number;
}

export interface PairReport extends SemanticCounts {
  readonly tenant: string;
  readonly model: string;
  readonly rejectedBy: ReadonlyMap<string, number>;
  /** The latest first. */
  readonly decisions: readonly SemanticDecision[];
}

interface Pair {
  readonly tenant: string;
  readonly model: string;
  readonly counts: { -readonly [Name in keyof SemanticCounts]: SemanticCounts[Name] };
  readonly rejectedBy: Map<string, number>;
  /** A ring; `next` is the place of the next one. */
  readonly decisions: SemanticDecision[];
  next: number;
}

/** Of tenant and model; the one that was used least recently is forgotten. */
const MAX_PAIRS = 1_000;
/** Decisions that are kept of each. */
const KEPT = 50;

type Found = Omit<SemanticDecision, 'at' | 'isFalse' | 'result'> & {
  readonly result: 'hit' | 'would_hit' | 'rejected' | 'none' | 'skipped';
};

/** Remembers what the semantic cache found, without the words of any question. */
export class SemanticReport {
  readonly #pairs = new LRUCache<string, Pair>({ max: MAX_PAIRS });

  /** @param wallTime Unix milliseconds */
  constructor(private readonly wallTime: () => number) {}

  /** @param saving of the match that was found; undefined where there was none */
  looked(
    of: Pick<PairReport, 'tenant' | 'model'>,
    { requestId, result, similarity, matchedRequestId, reason }: Found,
    saving: { readonly nanoUsd: number; readonly ms: number } | undefined,
  ): void {
    const pair = this.#pair(of);
    const { counts, rejectedBy, decisions } = pair;
    counts[result] += 1;
    if (result === 'none' || result === 'skipped') return;
    if (result === 'rejected')
      rejectedBy.set(reason ?? 'other', (rejectedBy.get(reason ?? 'other') ?? 0) + 1);
    if (result === 'would_hit' && saving) {
      counts.wouldSaveNanoUsd += saving.nanoUsd;
      counts.wouldSaveMs += saving.ms;
    }
    const at = this.wallTime();
    decisions[pair.next] = {
      ...{ at, requestId, result, similarity, matchedRequestId, reason, isFalse: undefined },
    };
    pair.next = (pair.next + 1) % KEPT;
  }

  /** Adds what the comparison of a hit found. */
  verified(of: Pick<PairReport, 'tenant' | 'model'>, requestId: string, isFalse: boolean): void {
    const { counts, decisions } = this.#pair(of);
    counts.compared += 1;
    if (isFalse) counts.false_hits += 1;
    const index = decisions.findLastIndex((decision) => decision.requestId === requestId);
    const decision = decisions[index];
    if (decision) decisions[index] = { ...decision, isFalse };
  }

  /** @returns one report for each model of a tenant, or of all tenants */
  read(tenant: string | undefined): readonly PairReport[] {
    return [...this.#pairs.values()]
      .filter((pair) => tenant === undefined || pair.tenant === tenant)
      .map(({ tenant: of, model, counts, rejectedBy, decisions, next }) => ({
        ...{ ...counts, tenant: of, model, rejectedBy },
        decisions: [...decisions.slice(next), ...decisions.slice(0, next)].reverse(),
      }));
  }

  #pair({ tenant, model }: Pick<PairReport, 'tenant' | 'model'>): Pair {
    const name = JSON.stringify([tenant, model]);
    const known = this.#pairs.get(name);
    if (known) return known;
    const pair: Pair = {
      ...{ tenant, model, rejectedBy: new Map(), decisions: [], next: 0 },
      counts: {
        ...{ since: this.wallTime(), hit: 0, would_hit: 0, rejected: 0, none: 0, skipped: 0 },
        ...{ compared: 0, false_hits: 0, wouldSaveNanoUsd: 0, wouldSaveMs: 0 },
      },
    };
    this.#pairs.set(name, pair);
    return pair;
  }
}
