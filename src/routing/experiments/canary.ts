/** When a canary is rolled back. */
export interface CanaryRules {
  /** Requests on each side before they are compared. */
  readonly minRequests: number;
  /** Largest accepted increase of the error rate, 0 to 1. */
  readonly errorIncrease: number;
  /** Largest accepted ratio of the canary's mean time per token to the stable side's. */
  readonly latencyRatio: number;
  /** The same for the mean cost of a request. */
  readonly costRatio: number;
  /** Age in milliseconds at which samples are dropped. */
  readonly windowMs: number;
}

/** The measurements of one request. */
export interface Sample {
  readonly failed: boolean;
  /** Milliseconds per token; undefined where there was no response. */
  readonly timePerTokenMs: number | undefined;
  /** Billionths of a US dollar; undefined where unknown. */
  readonly nanoUsd: number | undefined;
}

interface Timed extends Sample {
  readonly at: number;
}

/** Samples kept per side. */
const MAX_SAMPLES = 1_000;

/** The mean of a moving set of values. */
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
    // An empty set also resets the accumulated rounding errors.
    this.#sum = this.#count === 0 ? 0 : this.#sum - value;
  }

  get value(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }
}

/** The samples of one side. Means are updated incrementally, because every sample is followed by a comparison. */
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
      if (oldest.at > at - windowMs && this.#samples.length <= MAX_SAMPLES) return;
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

/** Means of one side; undefined without samples. */
export interface SideSummary {
  readonly requests: number;
  readonly errorRate: number;
  readonly timePerTokenMs: number | undefined;
  readonly nanoUsd: number | undefined;
}

/** Compares a canary with the stable side. */
export class CanaryWatch {
  readonly #canary = new Side();
  readonly #stable = new Side();

  constructor(private readonly rules: CanaryRules) {}

  /** @returns the reason for a rollback; undefined while there is none */
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
      return `${percent(canary.errorRate)} of its requests failed, compared with ${percent(stable.errorRate)} on the stable side`;
    }
    if (
      canary.timePerTokenMs !== undefined &&
      stable.timePerTokenMs !== undefined &&
      canary.timePerTokenMs > stable.timePerTokenMs * latencyRatio
    ) {
      return `it took ${canary.timePerTokenMs.toFixed(1)} ms per token, compared with ${stable.timePerTokenMs.toFixed(1)} ms on the stable side`;
    }
    if (
      canary.nanoUsd !== undefined &&
      stable.nanoUsd !== undefined &&
      canary.nanoUsd > stable.nanoUsd * costRatio
    ) {
      const dollars = (nano: number) => `$${(nano / 1e9).toFixed(6)}`;
      return `a request cost ${dollars(canary.nanoUsd)}, compared with ${dollars(stable.nanoUsd)} on the stable side`;
    }
    return undefined;
  }
}
