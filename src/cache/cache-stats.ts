import { type CacheCounts, CacheReport, noCounts } from './cache-counts.ts';

export const HOUR_MS = 3_600_000;
export const HOURS = 24;
/** Pairs of tenant and model that are counted apart; further ones count as `other`. */
const MAX_ROWS = 20_000;

/** The counts of one hour for one model of a tenant. */
export interface HourCounts {
  /** Since 1970. */
  readonly hour: number;
  readonly tenant: string;
  readonly model: string;
  readonly counts: CacheCounts;
}

/** By hour of the day. */
type Row = (HourCounts | undefined)[];

/** Counts hits and misses of this process by tenant and model, over the last 24 hours. */
export class CacheStats {
  readonly #tenants = new Map<string, Map<string, Row>>();
  #rows = 0;

  /**
   * @param wallTime Unix milliseconds
   * @param onChange called with the counts that are about to change
   */
  constructor(
    private readonly wallTime: () => number,
    private readonly onChange?: (changing: HourCounts) => void,
  ) {}

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

  /** Counts what a request saved in addition to its hit. */
  saved(tenant: string, model: string, saved: { readonly nanoUsd: number; readonly ms: number }): void {
    const counts = this.#counts(tenant, model);
    counts.savedNanoUsd += saved.nanoUsd;
    counts.savedMs += saved.ms;
  }

  /** Counts the use of a provider's prompt cache. */
  promptCache(
    tenant: string,
    model: string,
    use: { readonly readTokens: number; readonly writeTokens: number; readonly savedNanoUsd: number },
  ): void {
    const counts = this.#counts(tenant, model);
    counts.promptReadTokens += use.readTokens;
    counts.promptWriteTokens += use.writeTokens;
    counts.promptSavedNanoUsd += use.savedNanoUsd;
  }

  report(): CacheReport {
    const report = new CacheReport();
    const oldest = Math.floor(this.wallTime() / HOUR_MS) - HOURS;
    for (const [tenant, models] of this.#tenants) {
      for (const [model, row] of models) {
        report.add(tenant, model, noCounts());
        for (const slot of row) {
          if (slot && slot.hour > oldest) report.add(slot.tenant, slot.model, slot.counts);
        }
      }
    }
    return report;
  }

  #counts(tenant: string, model: string): CacheCounts {
    const { name, row } = this.#row(tenant, model);
    const hour = Math.floor(this.wallTime() / HOUR_MS);
    const place = hour % HOURS;
    let slot = row[place];
    if (slot?.hour !== hour) {
      slot = { hour, tenant, model: name, counts: noCounts() };
      row[place] = slot;
    }
    this.onChange?.(slot);
    return slot.counts;
  }

  #row(tenant: string, model: string): { readonly name: string; readonly row: Row } {
    const known = this.#tenants.get(tenant)?.get(model);
    if (known) return { name: model, row: known };
    const isFull = this.#rows >= MAX_ROWS;
    const models = this.#tenants.get(tenant) ?? new Map<string, Row>();
    const name = isFull ? 'other' : model;
    const row = models.get(name) ?? Array.from({ length: HOURS }, () => undefined);
    if (!models.has(name)) this.#rows += 1;
    models.set(name, row);
    this.#tenants.set(tenant, models);
    return { name, row };
  }
}
