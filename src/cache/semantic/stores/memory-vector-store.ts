import { LRUCache } from 'lru-cache';
import { type CacheContents, type CacheFilter, selects } from '../../cache-store.ts';
import { similarityOf } from '../../embedders/embedder.ts';
import type { VectorMatch, VectorQuery, VectorRecord, VectorStore } from '../vector-store.ts';

export interface MemoryVectorLimits {
  /** Of all tenants. */
  readonly maxEntries: number;
  /** Bytes of all tenants. */
  readonly maxBytes: number;
  readonly maxEntriesPerTenant: number;
}

/** Values that one search compares: about 2 ms. A partition with more drops its oldest record. */
const MAX_VALUES = 2_000_000;
/** What a record takes beside its vector and payload. Bytes. */
const RECORD_BYTES = 400;

/** Keeps vectors in plain arrays and compares with each of a partition. For up to a few thousand questions per tenant. */
export class MemoryVectorStore implements VectorStore {
  #limits: MemoryVectorLimits;
  #records: LRUCache<string, VectorRecord>;
  readonly #partitions = new Map<string, Map<string, VectorRecord>>();
  /** Ids by tenant, the oldest first. */
  readonly #tenants = new Map<string, Set<string>>();

  constructor(limits: MemoryVectorLimits) {
    this.#limits = limits;
    this.#records = this.#create(limits);
  }

  /** Changes the bounds. Records stay as far as they fit. */
  configure(limits: MemoryVectorLimits): void {
    const before = this.#limits;
    if (
      limits.maxEntries === before.maxEntries &&
      limits.maxBytes === before.maxBytes &&
      limits.maxEntriesPerTenant === before.maxEntriesPerTenant
    ) {
      return;
    }
    const records = [...this.#records.values()].toReversed();
    this.#records.clear();
    this.#limits = limits;
    this.#records = this.#create(limits);
    for (const record of records) this.add(record);
  }

  search({ tenant, partition, vector, limit, threshold, now }: VectorQuery): readonly VectorMatch[] {
    const found: VectorMatch[] = [];
    for (const { id, owner, expiresAt, vector: other, payload } of this.#partitions
      .get(partition)
      ?.values() ?? []) {
      if (expiresAt <= now || owner.tenant !== tenant) continue;
      const similarity = similarityOf(vector, other);
      // Not a number where the dimensions differ.
      if (similarity >= threshold) found.push({ id, similarity, payload });
    }
    found.sort((a, b) => b.similarity - a.similarity);
    return found.slice(0, limit);
  }

  add(record: VectorRecord): void {
    const { id, partition, owner, vector, payload } = record;
    this.#records.delete(id);
    const inPartition = this.#partitions.get(partition) ?? new Map<string, VectorRecord>();
    const ofTenant = this.#tenants.get(owner.tenant) ?? new Set<string>();
    const mostInPartition = Math.max(1, Math.floor(MAX_VALUES / vector.length));
    if (inPartition.size >= mostInPartition) this.#dropFirst(inPartition.keys());
    if (ofTenant.size >= this.#limits.maxEntriesPerTenant) this.#dropFirst(ofTenant);
    inPartition.set(id, record);
    ofTenant.add(id);
    this.#partitions.set(partition, inPartition);
    this.#tenants.set(owner.tenant, ofTenant);
    this.#records.set(id, record, { size: RECORD_BYTES + 4 * vector.length + 2 * payload.length });
    // Larger than all that may be kept.
    if (!this.#records.has(id)) this.#forget(record);
  }

  remove(id: string, tenant: string): void {
    if (this.#records.peek(id)?.owner.tenant === tenant) this.#records.delete(id);
  }

  async clear(filter: CacheFilter, dryRun: boolean): Promise<number> {
    const selected = [...this.#records.values()].filter(({ owner, storedAt }) =>
      selects(filter, owner, storedAt),
    );
    if (!dryRun) for (const { id } of selected) this.#records.delete(id);
    return selected.length;
  }

  contents(): CacheContents {
    return { entries: this.#records.size, bytes: this.#records.calculatedSize };
  }

  #dropFirst(ids: Iterable<string>): void {
    for (const id of ids) {
      this.#records.delete(id);
      return;
    }
  }

  #create({ maxEntries, maxBytes }: MemoryVectorLimits): LRUCache<string, VectorRecord> {
    return new LRUCache<string, VectorRecord>({
      max: maxEntries,
      maxSize: maxBytes,
      dispose: (record) => this.#forget(record),
    });
  }

  #forget({ id, partition, owner }: VectorRecord): void {
    const inPartition = this.#partitions.get(partition);
    inPartition?.delete(id);
    if (inPartition?.size === 0) this.#partitions.delete(partition);
    const ofTenant = this.#tenants.get(owner.tenant);
    ofTenant?.delete(id);
    if (ofTenant?.size === 0) this.#tenants.delete(owner.tenant);
  }
}
