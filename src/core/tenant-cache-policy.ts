/** What requests may ask of the cache. */
export const CACHE_CONTROLS = ['bypass', 'refresh', 'only', 'ttl', 'namespace'] as const;
export type CacheControl = (typeof CACHE_CONTROLS)[number];

/** Who pays for a call that several requests share: the one that made it, or all in equal parts. */
export const SHARED_CALL_PAYERS = ['first', 'split'] as const;
export type SharedCallPayer = (typeof SHARED_CALL_PAYERS)[number];

/** What a tenant permits and demands of the cache. Absent members leave the defaults. */
export interface TenantCachePolicy {
  /** False: its requests neither read nor store. True when absent. */
  readonly enabled?: boolean | undefined;
  /** The controls that its requests may send; all when absent. */
  readonly controls?: readonly CacheControl[] | undefined;
  /** The longest lifetime that a request may ask for, in milliseconds. */
  readonly maxTtlMs?: number | undefined;
  /** False: nothing is added to its requests for the prompt caches of providers. True when absent. */
  readonly promptCaching?: boolean | undefined;
  /** `first` when absent. */
  readonly sharedCalls?: SharedCallPayer | undefined;
}
