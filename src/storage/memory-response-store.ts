import type { ResponseStore, StoredResponse } from './response-store.ts';
import type { TenantScope } from './tenant-scope.ts';

/** Keeps responses in this process, for tests. */
export class MemoryResponseStore implements ResponseStore {
  readonly #tenants = new Map<string, Map<string, StoredResponse>>();

  async put(
    entries: readonly { readonly scope: TenantScope; readonly stored: StoredResponse }[],
  ): Promise<void> {
    for (const { scope, stored } of entries) {
      let own = this.#tenants.get(scope.tenant);
      if (!own) {
        own = new Map();
        this.#tenants.set(scope.tenant, own);
      }
      own.set(stored.id, stored);
    }
  }

  async get({ tenant }: TenantScope, id: string, now: number): Promise<StoredResponse | undefined> {
    const stored = this.#tenants.get(tenant)?.get(id);
    return stored && stored.expiresAt > now ? stored : undefined;
  }

  async delete({ tenant }: TenantScope, id: string): Promise<boolean> {
    return this.#tenants.get(tenant)?.delete(id) ?? false;
  }

  async deleteExpired(now: number): Promise<number> {
    let deleted = 0;
    for (const own of this.#tenants.values()) {
      for (const { id, expiresAt } of own.values()) {
        if (expiresAt > now) continue;
        own.delete(id);
        deleted += 1;
      }
    }
    return deleted;
  }
}
