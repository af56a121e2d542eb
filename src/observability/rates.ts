/** Time over which a rate is measured. Milliseconds. */
const WINDOW_MS = 60_000;
/** Shortest time between two kept readings: several scrapers do not shorten the window. */
const SPACING_MS = 5_000;

interface Reading {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly totals: ReadonlyMap<string, number>;
}

/** Rates of counters over the last minute, from readings at scrapes. */
export class Rates {
  #readings: Reading[] = [];

  /**
   * @param now monotonic milliseconds
   * @param totals values of counters, by name
   * @returns increases per second since the oldest reading of the last minute; 0 for counters that are new
   */
  update(now: number, totals: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    // The last one before the window stays: rates of rare scrapes are measured between two of them.
    while ((this.#readings[1]?.at ?? now) <= now - WINDOW_MS) this.#readings.shift();
    const [oldest] = this.#readings;
    const seconds = oldest ? (now - oldest.at) / 1000 : 0;
    const rates = new Map<string, number>();
    for (const [name, total] of totals) {
      const increase = oldest ? total - (oldest.totals.get(name) ?? 0) : 0;
      rates.set(name, seconds > 0 ? increase / seconds : 0);
    }
    const last = this.#readings.at(-1);
    if (!last || now - last.at >= SPACING_MS) this.#readings.push({ at: now, totals });
    return rates;
  }
}
