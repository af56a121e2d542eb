import type { ResponseStore, StoredResponse } from './response-store.ts';
import type { TenantScope } from './tenant-scope.ts';

/** Entries that may wait to be written; more than that are given up, and counted. */
const MAX_PENDING = 10_000;
const BATCH = 200;
/** Characters of JSON of one response; larger ones are not kept. */
const MAX_SIZE = 16 * 1024 * 1024;

/**
 * Writes responses behind the requests that made them: nobody waits for the database, and what waits to be written
 * can be read already.
 */
export class ResponseKeeper {
  readonly #pending = new Map<string, { readonly scope: TenantScope; readonly stored: StoredResponse }>();
  #writing: Promise<void> | undefined;

  constructor(
    private readonly store: ResponseStore,
    private readonly now: () => number,
    private readonly onLost: (count: number, reason: unknown) => void,
  ) {}

  save(scope: TenantScope, stored: StoredResponse): void {
    const size = JSON.stringify(stored).length;
    if (size > MAX_SIZE) this.onLost(1, new Error(`a response of ${size} characters is too large to keep`));
    else if (this.#pending.size >= MAX_PENDING)
      this.onLost(1, new Error('too many responses wait to be written'));
    else {
      this.#pending.set(keyOf(scope, stored.id), { scope, stored });
      this.#writing ??= this.#write();
    }
  }

  async get(scope: TenantScope, id: string): Promise<StoredResponse | undefined> {
    const waiting = this.#pending.get(keyOf(scope, id));
    return waiting?.stored ?? this.store.get(scope, id, this.now());
  }

  async delete(scope: TenantScope, id: string): Promise<boolean> {
    const waited = this.#pending.delete(keyOf(scope, id));
    // What is being written now is deleted after that.
    await this.#writing;
    const deleted = await this.store.delete(scope, id);
    return waited || deleted;
  }

  deleteExpired(): Promise<number> {
    return this.store.deleteExpired(this.now());
  }

  /** Resolves when all that was saved so far is written, or given up. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #write(): Promise<void> {
    // Lets a burst come together.
    await Promise.resolve();
    while (this.#pending.size > 0) {
      const batch = [...this.#pending].slice(0, BATCH);
      try {
        await this.store.put(batch.map(([, entry]) => entry));
      } catch (error) {
        this.onLost(batch.length, error);
      }
      for (const [key, entry] of batch) if (this.#pending.get(key) === entry) this.#pending.delete(key);
    }
    this.#writing = undefined;
  }
}

function keyOf({ tenant }: TenantScope, id: string): string {
  // The length makes it plain where the tenant ends: ids are what clients write.
  return `${tenant.length}:${tenant}${id}`;
}
