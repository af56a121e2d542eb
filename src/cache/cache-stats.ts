const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Pairs of tenant and model that are counted apart; further ones count as `other`. */
const MAX_ROWS = 20_000;

/** What the cache did for one model of a tenant. */
export interface CacheCounts {
  hits: number;
  misses: number;
  errors: number;
  /** 10^-9 US dollars. */
  savedNanoUsd: number;
  savedMs: number;
}

interface Row {
  /** By hour of the day; each with the hour that it counts. */
  readonly hours: { hour: number; counts: CacheCounts }[];
}

function noCounts(): CacheCounts {
  return { hits: 0, misses: 0, errors: 0, savedNanoUsd: 0, savedMs: 0 };
}

/** Counts hits and misses of this process by tenant and model, over the last 24 hours. */
export class CacheStats {
  readonly #tenants = new Map<string, Map<string, Row>>();
  #rows = 0;

  /** @param wallTime Unix milliseconds */
  constructor(private readonly wallTime: () => number) {}

  hit(tenant: string, model: string, saved: { readonly nanoUsd: number; readonly ms: number }): void {
    const counts = this.#counts(tenant, model);
    counts.hits += 1;
    counts.savedNanoUsd += saved.nanoUsd;
    counts.savedMs += saved.ms;
  }

  miss(tenant: string, model: string): void {
    this.#counts(tenant, model).misses += 1;
  }

  error(tenant: string, model: string): void {
    this.#counts(tenant, model).errors += 1;
  }

  /** @param tenant undefined for the sum over all */
  byModel(tenant: string | undefined, model?: string): ReadonlyMap<string, CacheCounts> {
    const sums = new Map<string, CacheCounts>();
    for (const [id, models] of this.#tenants) {
      if (tenant !== undefined && id !== tenant) continue;
      for (const [name, row] of models) {
        if (model !== undefined && name !== model) continue;
        const sum = sums.get(name) ?? noCounts();
        sums.set(name, sum);
        this.#addTo(sum, row);
      }
    }
    return sums;
  }

  byTenant(): ReadonlyMap<string, CacheCounts> {
    const sums = new Map<string, CacheCounts>();
    for (const [id, models] of this.#tenants) {
      const sum = noCounts();
      for (const row of models.values()) this.#addTo(sum, row);
      sums.set(id, sum);
    }
    return sums;
  }

  #addTo(sum: CacheCounts, { hours }: Row): void {
    const oldest = Math.floor(this.wallTime() / HOUR_MS) - HOURS;
    for (const { hour, counts } of hours) {
      if (hour <= oldest) continue;
      sum.hits += counts.hits;
      sum.misses += counts.misses;
      sum.errors += counts.errors;
      sum.savedNanoUsd += counts.savedNanoUsd;
      sum.savedMs += counts.savedMs;
    }
  }

  #counts(tenant: string, model: string): CacheCounts {
    const { hours } = this.#row(tenant, model);
    const hour = Math.floor(this.wallTime() / HOUR_MS);
    const place = hour % HOURS;
    let slot = hours[place];
    if (slot?.hour !== hour) {
      slot = { hour, counts: noCounts() };
      hours[place] = slot;
    }
    return slot.counts;
  }

  #row(tenant: string, model: string): Row {
    const known = this.#tenants.get(tenant)?.get(model);
    if (known) return known;
    const isFull = this.#rows >= MAX_ROWS;
    const models = this.#tenants.get(tenant) ?? new Map<string, Row>();
    const name = isFull ? 'other' : model;
    const row = models.get(name) ?? {
      hours: Array.from({ length: HOURS }, () => ({ hour: -1, counts: noCounts() })),
    };
    if (!models.has(name)) this.#rows += 1;
    models.set(name, row);
    this.#tenants.set(tenant, models);
    return row;
  }
}
