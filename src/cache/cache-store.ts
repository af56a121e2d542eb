import type { CacheEntry, EntryOwner } from './cache-entry.ts';

/** Which entries an operation concerns. Absent members select all. */
export interface CacheFilter {
  readonly tenant?: string | undefined;
  readonly model?: string | undefined;
  readonly namespace?: string | undefined;
  readonly tag?: string | undefined;
  /** Unix milliseconds: entries that were stored before. */
  readonly storedBefore?: number | undefined;
}

/** How much a store holds. */
export interface CacheContents {
  readonly entries: number;
  /** Undefined where the store does not count. */
  readonly bytes: number | undefined;
}

/** The store was not asked, or did not respond in time. */
export const SKIPPED = 'skipped';
export type Skipped = typeof SKIPPED;

type Found<Value> = CacheEntry<Value> | Skipped | undefined;
type FoundMany<Value> = readonly (CacheEntry<Value> | undefined)[] | Skipped;

/**
 * Keeps entries by key. No operation of the request path throws or waits long: a store that is slow or unreachable is
 * skipped, and reports it. What it returns is checked by the reader (`usability`).
 */
export interface CacheStore<Value> {
  get(key: string, tenant: string): Found<Value> | Promise<Found<Value>>;
  /** @returns entries at the places of their keys */
  getMany(keys: readonly string[], tenant: string): FoundMany<Value> | Promise<FoundMany<Value>>;
  set(entry: CacheEntry<Value>): void;
  delete(key: string, tenant: string): void;
  /**
   * Removes entries.
   * @param dryRun counts them only
   * @returns how many
   * @throws GatewayError `store_unavailable`
   */
  clear(filter: CacheFilter, dryRun: boolean): Promise<number>;
  contents(): CacheContents | undefined;
  /**
   * Claims the call that makes an entry, for one of several gateways. Absent where no other gateway sees the entries.
   * @param ms after which the claim ends
   * @returns false while another gateway has it
   */
  lease?(key: string, tenant: string, ms: number): Promise<boolean | Skipped>;
  /** Ends a claim, after the entry was written. */
  release?(key: string, tenant: string): void;
  /** Resolves when an entry that is set now, or in this turn, can be read. Absent where that is at once. Never rejects. */
  written?(key: string): Promise<void>;
}

/** Whether a filter selects an entry. */
export function selects(
  filter: CacheFilter,
  { tenant, model, namespace, tags }: EntryOwner,
  storedAt: number,
): boolean {
  return (
    (filter.tenant === undefined || filter.tenant === tenant) &&
    (filter.model === undefined || filter.model === model) &&
    (filter.namespace === undefined || filter.namespace === namespace) &&
    (filter.tag === undefined || tags.includes(filter.tag)) &&
    (filter.storedBefore === undefined || storedAt < filter.storedBefore)
  );
}
