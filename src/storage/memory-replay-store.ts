import {
  REPLAY_MS,
  type ReplayLease,
  type ReplayState,
  type ReplayStore,
  type StoredResponse,
} from './replay-store.ts';

/** Bounds of what is kept, in UTF-16 units and entries: of a tenant, and of all together. */
export interface ReplayBounds {
  readonly tenantLength: number;
  readonly tenantEntries: number;
  readonly totalLength: number;
}

const BOUNDS: ReplayBounds = {
  tenantLength: 8 * 1024 * 1024,
  tenantEntries: 1_000,
  totalLength: 32 * 1024 * 1024,
};

interface Entry {
  readonly fingerprint: string;
  /** Undefined while the request runs. */
  response: StoredResponse | undefined;
  /** Unix milliseconds. */
  expiresAt: number;
  length: number;
}

/** The entries of a tenant, the oldest first. */
interface TenantEntries {
  readonly byKey: Map<string, Entry>;
  length: number;
}

/** Keeps responses in the memory of this gateway. Where there is no room, those that were stored first go. */
export class MemoryReplayStore implements ReplayStore {
  readonly #tenants = new Map<string, TenantEntries>();
  #length = 0;

  constructor(
    /** Unix milliseconds. */
    private readonly now: () => number,
    private readonly bounds: ReplayBounds = BOUNDS,
  ) {}

  /** UTF-16 units of all that is kept. */
  get length(): number {
    return this.#length;
  }

  async begin(tenant: string, key: string, fingerprint: string): Promise<ReplayState> {
    const known = this.#tenants.get(tenant)?.byKey.get(key);
    if (known?.response && known.expiresAt <= this.now()) this.#remove(tenant, key, known);
    else if (known) {
      if (known.fingerprint !== fingerprint) return { kind: 'other' };
      return known.response ? { kind: 'stored', response: known.response } : { kind: 'running' };
    }
    const entry: Entry = { fingerprint, response: undefined, expiresAt: 0, length: 0 };
    let own = this.#tenants.get(tenant);
    if (!own) {
      own = { byKey: new Map(), length: 0 };
      this.#tenants.set(tenant, own);
    }
    own.byKey.set(key, entry);
    return { kind: 'first', lease: this.#lease(tenant, key, entry) };
  }

  async renew(): Promise<void> {
    // A request that runs in this process ends in it.
  }

  #lease(tenant: string, key: string, entry: Entry): ReplayLease {
    return {
      complete: async (response) => {
        const own = this.#tenants.get(tenant);
        if (own?.byKey.get(key) !== entry) return;
        entry.response = response;
        entry.expiresAt = this.now() + REPLAY_MS;
        entry.length = lengthOf(response);
        own.length += entry.length;
        this.#length += entry.length;
        // The order of the map is that of completion.
        own.byKey.delete(key);
        own.byKey.set(key, entry);
        this.#evictFor(tenant, own);
      },
      release: async () => {
        if (this.#tenants.get(tenant)?.byKey.get(key) === entry) this.#remove(tenant, key, entry);
      },
    };
  }

  #evictFor(tenant: string, own: TenantEntries): void {
    const { tenantLength, tenantEntries, totalLength } = this.bounds;
    while (own.length > tenantLength || own.byKey.size > tenantEntries) {
      if (!this.#removeOldest(tenant, own)) break;
    }
    for (const [other, entries] of this.#tenants) {
      while (this.#length > totalLength && this.#removeOldest(other, entries));
      if (this.#length <= totalLength) return;
    }
  }

  /** @returns false where every entry belongs to a request that runs */
  #removeOldest(tenant: string, { byKey }: TenantEntries): boolean {
    for (const [key, entry] of byKey) {
      if (!entry.response) continue;
      this.#remove(tenant, key, entry);
      return true;
    }
    return false;
  }

  #remove(tenant: string, key: string, entry: Entry): void {
    const own = this.#tenants.get(tenant);
    if (!own?.byKey.delete(key)) return;
    own.length -= entry.length;
    this.#length -= entry.length;
    if (own.byKey.size === 0) this.#tenants.delete(tenant);
  }
}

function lengthOf({ headers, text }: StoredResponse): number {
  return (text?.length ?? 0) + headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}
