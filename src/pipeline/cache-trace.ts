import type { DispatchRequest } from '../dispatch/request.ts';

export type CacheStatus = 'hit' | 'miss' | 'bypass' | 'stale';
export type CacheKind = 'exact' | 'semantic' | 'coalesced';

/** A response that no upstream made for this request. */
export interface ServedResponse {
  /** Who made it. */
  readonly provider: string;
  readonly model: string;
  /** 10^-12 US dollars that this request costs. */
  readonly costPico: number;
  /** What it would have cost, and how long it would have taken in milliseconds. */
  readonly saved: { readonly costPico: number; readonly ms: number };
}

/** What the semantic cache found for a request. */
export interface SemanticTrace {
  /**
   * `hit`: a response was served. `would_hit`: it was not, in shadow mode or while serving is disabled. `rejected`: the guard
   * or the judge found a difference. `none`: no candidate. `skipped`: the lookup failed or took too long.
   */
  readonly result: 'hit' | 'would_hit' | 'rejected' | 'none' | 'skipped';
  /** Of the most similar candidate that counts. */
  readonly similarity?: number | undefined;
  /** The request that the candidate's response was made for. */
  readonly requestId?: string | undefined;
  /** Why it was not served. */
  readonly reason?: string | undefined;
  /** Of a failure. */
  readonly detail?: string | undefined;
}

/** How the cache took part in a request. */
export interface CacheTrace {
  readonly status: CacheStatus;
  readonly kind?: CacheKind | undefined;
  /** Since the response was stored. */
  readonly ageSeconds?: number | undefined;
  readonly served?: ServedResponse | undefined;
  /** Inputs of an embedding request that were in the cache, and all of them. */
  readonly inputs?: { readonly cached: number; readonly all: number } | undefined;
  /** What the cached inputs of an embedding request saved, where the others were fetched. */
  readonly saved?: ServedResponse['saved'] | undefined;
  /** The request that made the upstream call, where others may share it. Its attempts are not this request's own. */
  readonly call?: DispatchRequest | undefined;
}
