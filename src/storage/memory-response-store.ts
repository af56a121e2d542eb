import {
  outputItemIds,
  type ResponseStore,
  type StoredOutput,
  type StoredResponse,
} from './response-store.ts';
import type { TenantScope } from './tenant-scope.ts';

/** Keeps responses in this process, for tests. */
export class MemoryResponseStore implements ResponseStore {
  readonly #tenants = new Map<string, Map<string, StoredResponse>>();

  async put({ tenant }: TenantScope, stored: readonly StoredResponse[]): Promise<void> {
    let own = this.#tenants.get(tenant);
    if (!own) {
      own = new Map();
      this.#tenants.set(tenant, own);
    }
    for (const one of stored) own.set(one.id, one);
  }

  async get({ tenant }: TenantScope, id: string, now: number): Promise<StoredResponse | undefined> {
    const stored = this.#tenants.get(tenant)?.get(id);
    return stored && stored.expiresAt > now ? stored : undefined;
  }

  async outputsOf({ tenant }: TenantScope, itemIds: readonly string[], now: number): Promise<StoredOutput[]> {
    const wanted = new Set(itemIds);
    return [...(this.#tenants.get(tenant)?.values() ?? [])]
      .filter(
        ({ expiresAt, response }) => expiresAt > now && outputItemIds(response).some((id) => wanted.has(id)),
      )
      .map(({ id, response, native }) => ({ id, response, native }));
  }

  async delete({ tenant }: TenantScope, id: string): Promise<boolean> {
    return this.#tenants.get(tenant)?.delete(id) ?? false;
  }
}
