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
