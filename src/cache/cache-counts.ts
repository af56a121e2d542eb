/** The numbers that are counted for one model of a tenant. */
export const CACHE_COUNTS = [
  'hits',
  'misses',
  'errors',
  'savedNanoUsd',
  'savedMs',
  'promptReadTokens',
  'promptWriteTokens',
  'promptSavedNanoUsd',
] as const;

/**
 * What the cache did for one model of a tenant, and what the prompt caches of providers did. Money is 10^-9 US dollars; prompt
 * caches save a negative amount where writing costs more than reading saves.
 */
export type CacheCounts = Record<(typeof CACHE_COUNTS)[number], number>;

/** @returns counts that are all zero, for a caller to add to */
export function noCounts(): CacheCounts {
  return {
    hits: 0,
    misses: 0,
    errors: 0,
    savedNanoUsd: 0,
    savedMs: 0,
    promptReadTokens: 0,
    promptWriteTokens: 0,
    promptSavedNanoUsd: 0,
  };
}

/** Adds counts to a sum, in place. */
export function addCounts(sum: CacheCounts, counts: Readonly<CacheCounts>): void {
  for (const name of CACHE_COUNTS) sum[name] += counts[name];
}

/** Counts of the last 24 hours. */
export class CacheReport {
  readonly #tenants = new Map<string, Map<string, CacheCounts>>();

  add(tenant: string, model: string, counts: Readonly<CacheCounts>): void {
    const models = this.#tenants.get(tenant) ?? new Map<string, CacheCounts>();
    this.#tenants.set(tenant, models);
    const sum = models.get(model) ?? noCounts();
    models.set(model, sum);
    addCounts(sum, counts);
  }

  /** @param tenant undefined for the sum over all */
  byModel(tenant: string | undefined, model?: string): ReadonlyMap<string, CacheCounts> {
    const sums = new Map<string, CacheCounts>();
    for (const [id, models] of this.#tenants) {
      if (tenant !== undefined && id !== tenant) continue;
      for (const [name, counts] of models) {
        if (model !== undefined && name !== model) continue;
        const sum = sums.get(name) ?? noCounts();
        sums.set(name, sum);
        addCounts(sum, counts);
      }
    }
    return sums;
  }

  byTenant(): ReadonlyMap<string, CacheCounts> {
    const sums = new Map<string, CacheCounts>();
    for (const [id, models] of this.#tenants) {
      const sum = noCounts();
      for (const counts of models.values()) addCounts(sum, counts);
      sums.set(id, sum);
    }
    return sums;
  }
}
