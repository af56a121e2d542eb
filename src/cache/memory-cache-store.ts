import { LRUCache } from 'lru-cache';
import type { CacheEntry } from './cache-entry.ts';
import { type CacheContents, type CacheFilter, type CacheStore, selects } from './cache-store.ts';

export interface MemoryCacheLimits {
  readonly maxEntries: number;
  /** Bytes. */
  readonly maxBytes: number;
}

/** Keeps entries in this process, bounded by number and by size. The least recently used ones are removed first. */
export class MemoryCacheStore<Value extends object> implements CacheStore<Value> {
  #limits: MemoryCacheLimits;
  #entries: LRUCache<string, CacheEntry<Value>>;

  /** @param bytesOf an upper estimate of the memory that a value takes */
  constructor(
    limits: MemoryCacheLimits,
    private readonly bytesOf: (value: Value) => number,
  ) {
    this.#limits = limits;
    this.#entries = this.#create(limits);
  }

  /** Changes the bounds. Entries stay as far as they fit. */
  configure(limits: MemoryCacheLimits): void {
    if (limits.maxEntries === this.#limits.maxEntries && limits.maxBytes === this.#limits.maxBytes) return;
    const before = [...this.#entries.values()].toReversed();
    this.#limits = limits;
    this.#entries = this.#create(limits);
    for (const entry of before) this.set(entry);
  }

  get(key: string): CacheEntry<Value> | undefined {
    return this.#entries.get(key);
  }

  getMany(keys: readonly string[]): readonly (CacheEntry<Value> | undefined)[] {
    return keys.map((key) => this.#entries.get(key));
  }

  set(entry: CacheEntry<Value>): void {
    this.#entries.set(entry.key, entry, { size: this.bytesOf(entry.value) });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const selected = [...this.#entries.values()].filter(({ owner, storedAt }) =>
      selects(filter, owner, storedAt),
    );
    if (!dryRun) for (const { key } of selected) this.#entries.delete(key);
    return selected.length;
  }

  contents(): CacheContents {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize };
  }

  #create({ maxEntries, maxBytes }: MemoryCacheLimits): LRUCache<string, CacheEntry<Value>> {
    return new LRUCache({ max: maxEntries, maxSize: maxBytes });
  }
}
