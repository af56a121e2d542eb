/** Prefixes of one tenant. */
const MAX_PER_TENANT = 5_000;
/** Prefixes of all tenants: about 100 bytes each. */
const MAX_PREFIXES = 200_000;

/** Remembers which prefixes of prompts each tenant has sent, and when. Drops the least recently used ones first. */
export class PromptPrefixes {
  /** By tenant and hash: monotonic milliseconds. Maps keep their insertion order, so the first entry is the oldest. */
  readonly #tenants = new Map<string, Map<bigint, number>>();
  #size = 0;

  constructor(
    private readonly perTenant = MAX_PER_TENANT,
    private readonly most = MAX_PREFIXES,
  ) {}

  get size(): number {
    return this.#size;
  }

  add(tenant: string, prefixes: readonly bigint[], now: number): void {
    const known = this.#tenants.get(tenant) ?? new Map<bigint, number>();
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, known);
    this.#size -= known.size;
    for (const prefix of prefixes) {
      known.delete(prefix);
      known.set(prefix, now);
    }
    for (const oldest of known.keys()) {
      if (known.size <= this.perTenant) break;
      known.delete(oldest);
    }
    this.#size += known.size;
    this.#shrink();
  }

  /** @param since monotonic milliseconds */
  has(tenant: string, prefix: bigint, since: number): boolean {
    const at = this.#tenants.get(tenant)?.get(prefix);
    return at !== undefined && at >= since;
  }

  #shrink(): void {
    for (const [tenant, known] of this.#tenants) {
      if (this.#size <= this.most) return;
      for (const oldest of known.keys()) {
        if (this.#size <= this.most) return;
        known.delete(oldest);
        this.#size -= 1;
      }
      this.#tenants.delete(tenant);
    }
  }
}
