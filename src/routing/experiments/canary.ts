/** When a canary is taken back. */
export interface CanaryRules {
  readonly minRequests: number;
  /** How much higher its share of failures may be, 0 to 1. */
  readonly errorIncrease: number;
  readonly latencyRatio: number;
  readonly costRatio: number;
  readonly windowMs: number;
}

/** What one request has shown. */
export interface Sample {
  readonly failed: boolean;
  /** Milliseconds for each token; undefined where it was not answered. */
  readonly timePerTokenMs: number | undefined;
  /** Thousand-millionths of a US dollar; undefined where not known. */
  readonly nanoUsd: number | undefined;
}

interface Timed extends Sample {
  readonly at: number;
}

/** Requests that are remembered of each side. */
const MOST = 1_000;

/** A mean of what comes and goes. */
class Mean {
  #sum = 0;
  #count = 0;

  add(value: number | undefined): void {
    if (value === undefined) return;
    this.#sum += value;
    this.#count += 1;
  }

  remove(value: number | undefined): void {
    if (value === undefined) return;
    this.#count -= 1;
    // Nothing is left of rounding either, once nothing is left.
    this.#sum = this.#count === 0 ? 0 : this.#sum - value;
  }

  get value(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }
}

/** The last requests of one side. Sums are kept up to date: each request of an experiment is compared. */
class Side {
  readonly #samples: Timed[] = [];
  readonly #failures = new Mean();
  readonly #timePerTokenMs = new Mean();
  readonly #nanoUsd = new Mean();

  add(sample: Sample, at: number, windowMs: number): void {
    this.#samples.push({ ...sample, at });
    this.#failures.add(Number(sample.failed));
    this.#timePerTokenMs.add(sample.timePerTokenMs);
    this.#nanoUsd.add(sample.nanoUsd);
    for (let [oldest] = this.#samples; oldest; [oldest] = this.#samples) {
      if (oldest.at > at - windowMs && this.#samples.length <= MOST) return;
      this.#samples.shift();
      this.#failures.remove(Number(oldest.failed));
      this.#timePerTokenMs.remove(oldest.timePerTokenMs);
      this.#nanoUsd.remove(oldest.nanoUsd);
    }
  }

  summary(): SideSummary {
    return {
      requests: this.#samples.length,
      errorRate: this.#failures.value ?? 0,
      timePerTokenMs: this.#timePerTokenMs.value,
      nanoUsd: this.#nanoUsd.value,
    };
  }
}

export interface SideSummary {
  readonly requests: number;
  readonly errorRate: number;
  readonly timePerTokenMs: number | undefined;
  readonly nanoUsd: number | undefined;
}

/** Compares a canary with the stable side, and decides when it has to go. */
export class CanaryWatch {
  readonly #canary = new Side();
  readonly #stable = new Side();

  constructor(private readonly rules: CanaryRules) {}

  /** @returns why the canary has to go; undefined while it may stay */
  record(isCanary: boolean, sample: Sample, at: number): string | undefined {
    (isCanary ? this.#canary : this.#stable).add(sample, at, this.rules.windowMs);
    return isCanary ? this.#verdict() : undefined;
  }

  summary(): { readonly canary: SideSummary; readonly stable: SideSummary } {
    return { canary: this.#canary.summary(), stable: this.#stable.summary() };
  }

  #verdict(): string | undefined {
    const { minRequests, errorIncrease, latencyRatio, costRatio } = this.rules;
    const { canary, stable } = this.summary();
    if (canary.requests < minRequests || stable.requests < minRequests) return undefined;
    const percent = (rate: number) => `${(rate * 100).toFixed(1)} %`;
    if (canary.errorRate > stable.errorRate + errorIncrease) {
      return `${percent(canary.errorRate)} of its requests failed, of the stable side's ${percent(stable.errorRate)}`;
    }
    if (
      canary.timePerTokenMs !== undefined &&
      stable.timePerTokenMs !== undefined &&
      canary.timePerTokenMs > stable.timePerTokenMs * latencyRatio
    ) {
      return `it took ${canary.timePerTokenMs.toFixed(1)} ms for each token, the stable side ${stable.timePerTokenMs.toFixed(1)} ms`;
    }
    if (
      canary.nanoUsd !== undefined &&
      stable.nanoUsd !== undefined &&
      canary.nanoUsd > stable.nanoUsd * costRatio
    ) {
      const dollars = (nano: number) => `$${(nano / 1e9).toFixed(6)}`;
      return `a request cost ${dollars(canary.nanoUsd)}, on the stable side ${dollars(stable.nanoUsd)}`;
    }
    return undefined;
  }
}
