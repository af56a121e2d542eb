/** How fast old measurements fade. Milliseconds. */
const DECAY_MS = 10_000;

/**
 * A moving average that jumps up to a slow measurement at once and forgets it slowly, so that a target that slows
 * down is left soon (peak EWMA, as Finagle's load balancer has it).
 */
export class PeakEwma {
  #value: number | undefined;
  #at = 0;

  /** What is known by now: a slow measurement fades, so that the target is tried again some day. */
  at(now: number): number | undefined {
    if (this.#value === undefined) return undefined;
    return this.#value * Math.exp(-Math.max(0, now - this.#at) / DECAY_MS);
  }

  add(sample: number, now: number): void {
    const old = this.#value;
    if (old === undefined || sample > old) this.#value = sample;
    else {
      const retained = Math.exp(-Math.max(0, now - this.#at) / DECAY_MS);
      // A single measurement counts a little even when they come thick and fast.
      const share = Math.min(retained, 0.95);
      this.#value = old * share + sample * (1 - share);
    }
    this.#at = now;
  }

  reset(): void {
    this.#value = undefined;
  }
}

/** Quantiles of the last measurements. */
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

  /** @param share 0 to 1 @returns undefined while there are too few to tell */
  quantile(share: number, atLeast = 20): number | undefined {
    if (this.#samples.length < atLeast) return undefined;
    this.#sorted ??= [...this.#samples].sort((a, b) => a - b);
    // The nearest rank: at least this share of the measurements is not above it.
    return this.#sorted[Math.max(0, Math.ceil(share * this.#sorted.length) - 1)];
  }
}
