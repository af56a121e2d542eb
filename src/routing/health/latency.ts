/** Time constant of the decay, in milliseconds. */
const DECAY_MS = 10_000;

/**
 * A moving average that rises to a slow sample at once and decays slowly, so that a target that slows down gets fewer
 * requests soon: the peak EWMA of the Finagle load balancer.
 */
export class PeakEwma {
  #value: number | undefined;
  #at = 0;

  /**
   * @param now monotonic milliseconds
   * @returns the average, decayed so that a slow target is tried again; undefined without samples
   */
  at(now: number): number | undefined {
    if (this.#value === undefined) return undefined;
    return this.#value * Math.exp(-Math.max(0, now - this.#at) / DECAY_MS);
  }

  add(sample: number, now: number): void {
    const old = this.#value;
    if (old === undefined || sample > old) this.#value = sample;
    else {
      const retained = Math.exp(-Math.max(0, now - this.#at) / DECAY_MS);
      // At a high rate of samples, each still counts at least 5 %.
      const share = Math.min(retained, 0.95);
      this.#value = old * share + sample * (1 - share);
    }
    this.#at = now;
  }

  reset(): void {
    this.#value = undefined;
  }
}

/** The lowest of the last samples: what a target needs while it is idle, whatever its first request or a pause took. */
export class RecentLowest {
  readonly #samples: number[] = [];
  #next = 0;

  constructor(private readonly size = 8) {}

  /** @returns undefined without samples */
  get value(): number | undefined {
    return this.#samples.length === 0 ? undefined : Math.min(...this.#samples);
  }

  add(sample: number): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % this.size;
  }

  reset(): void {
    this.#samples.length = 0;
    this.#next = 0;
  }
}

/** Quantiles over the last samples. */
export class RecentQuantiles {
  readonly #samples: number[] = [];
  #next = 0;
  #sorted: number[] | undefined;

  constructor(private readonly size = 200) {}

  get count(): number {
    return this.#samples.length;
  }

  add(sample: number): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % this.size;
    this.#sorted = undefined;
  }

  /** @param share 0 to 1 @returns undefined with fewer than `atLeast` samples */
  quantile(share: number, atLeast = 20): number | undefined {
    if (this.#samples.length < atLeast) return undefined;
    this.#sorted ??= [...this.#samples].sort((a, b) => a - b);
    // Nearest rank: at least this share of the samples is not greater.
    return this.#sorted[Math.max(0, Math.ceil(share * this.#sorted.length) - 1)];
  }
}
