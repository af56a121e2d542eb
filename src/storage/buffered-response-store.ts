import {
  outputItemIds,
  type ResponseStore,
  type StoredOutput,
  type StoredResponse,
} from './response-store.ts';
import type { TenantScope } from './tenant-scope.ts';

/** Beyond this number of queued responses, further ones are dropped and reported. */
const MAX_PENDING = 10_000;
/** Responses of one transaction, all of one tenant. */
const BATCH = 200;
/** Characters of JSON; larger responses are dropped and reported. */
const MAX_SIZE = 16 * 1024 * 1024;
/** The same of all queued responses together. */
const MAX_PENDING_SIZE = 128 * 1024 * 1024;

interface Pending {
  readonly scope: TenantScope;
  readonly stored: StoredResponse;
  /** Characters of JSON. */
  readonly size: number;
}

/**
 * Writes responses to a store in the background, so that no request waits for the database. Queued responses can be read
 * at once. Reads fail closed as the store does; writes that fail are dropped and reported.
 */
export class BufferedResponseStore {
  readonly #pending = new Map<string, Pending>();
  #pendingSize = 0;
  #writing: Promise<void> | undefined;

  constructor(
    private readonly store: ResponseStore,
    /** Unix milliseconds. */
    private readonly now: () => number,
    /** Called with the number of dropped responses and the reason. */
    private readonly onLost: (count: number, reason: unknown) => void,
  ) {}

  /** Queues a response; one with the same id is replaced. */
  save(scope: TenantScope, stored: StoredResponse): void {
    const size = JSON.stringify(stored).length;
    const key = keyOf(scope, stored.id);
    const others = this.#pending.size - (this.#pending.has(key) ? 1 : 0);
    const othersSize = this.#pendingSize - (this.#pending.get(key)?.size ?? 0);
    if (size > MAX_SIZE)
      this.onLost(
        1,
        new Error(`a response of ${size} characters is too large to store; the limit is ${MAX_SIZE}`),
      );
    else if (others >= MAX_PENDING || othersSize + size > MAX_PENDING_SIZE)
      this.onLost(
        1,
        new Error(
          `${others} responses of ${othersSize} characters are queued for the database; further ones are dropped`,
        ),
      );
    else {
      this.#remove(key);
      this.#pending.set(key, { scope, stored, size });
      this.#pendingSize += size;
      this.#writing ??= this.#write();
    }
  }

  /** @returns undefined when the tenant has no such response. @throws Error when the database is unreachable */
  async get(scope: TenantScope, id: string): Promise<StoredResponse | undefined> {
    const waiting = this.#pending.get(keyOf(scope, id));
    return waiting?.stored ?? this.store.get(scope, id, this.now());
  }

  /**
   * Finds responses by their output items.
   * @param itemIds at most 1,000
   * @throws Error when the database is unreachable
   */
  async outputsOf(scope: TenantScope, itemIds: readonly string[]): Promise<StoredOutput[]> {
    const missing = new Set(itemIds);
    const found: StoredOutput[] = [];
    for (const { scope: owner, stored } of this.#pending.values()) {
      if (owner.tenant !== scope.tenant) continue;
      const own = outputItemIds(stored.response).filter((id) => missing.delete(id));
      if (own.length > 0) found.push(stored);
    }
    if (missing.size === 0) return found;
    return [...found, ...(await this.store.outputsOf(scope, [...missing], this.now()))];
  }

  /** @returns false when there was none. @throws Error when the database is unreachable */
  async delete(scope: TenantScope, id: string): Promise<boolean> {
    const waited = this.#remove(keyOf(scope, id));
    // A write in progress must end first, or it would restore the response.
    await this.#writing;
    const deleted = await this.store.delete(scope, id);
    return waited || deleted;
  }

  /** Resolves when all queued responses are written or dropped. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #write(): Promise<void> {
    // Lets the responses of one event-loop turn form a batch.
    await Promise.resolve();
    while (this.#pending.size > 0) {
      const batch = this.#nextBatch();
      const [first] = batch;
      if (!first) break;
      try {
        await this.store.put(
          first[1].scope,
          batch.map(([, { stored }]) => stored),
        );
      } catch (error) {
        this.onLost(batch.length, error);
      }
      for (const [key, entry] of batch) if (this.#pending.get(key) === entry) this.#remove(key);
    }
    this.#writing = undefined;
  }

  /** @returns false when there was none */
  #remove(key: string): boolean {
    this.#pendingSize -= this.#pending.get(key)?.size ?? 0;
    return this.#pending.delete(key);
  }

  /** @returns queued responses of one tenant: of the one that has waited longest */
  #nextBatch(): [key: string, Pending][] {
    const batch: [string, Pending][] = [];
    let tenant: string | undefined;
    for (const entry of this.#pending) {
      tenant ??= entry[1].scope.tenant;
      if (entry[1].scope.tenant === tenant) batch.push(entry);
      if (batch.length === BATCH) break;
    }
    return batch;
  }
}

function keyOf({ tenant }: TenantScope, id: string): string {
  // The length marks where the tenant ends, because ids come from clients.
  return `${tenant.length}:${tenant}${id}`;
}
