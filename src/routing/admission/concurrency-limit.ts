/** How many attempts a target may have at the same time: a number that somebody chose, or one that learns. */
export interface ConcurrencyLimit {
  readonly value: number;
  /** An attempt has ended well. @param timePerTokenMs milliseconds for each token @param inflight attempts, with this one */
  succeeded?(timePerTokenMs: number, inflight: number): void;
  /** The target said that it has too much to do, or did not answer. */
  overloaded?(): void;
}

export type LimitSetting = number | 'adaptive' | null;

const FIRST = 20;
const LOWEST = 1;
const HIGHEST = 1_000;
/** Answers may get that much slower before there are fewer: engines that batch do more in all by it. */
const TOLERANCE = 1.5;
const SMOOTHING = 0.1;
/** Attempts over which "now" reaches back. */
const SHORT = 10;
/** How soon a target that is slow with little to do counts as a slower one. */
const RELAXING = 0.02;
const FEW = 2;
const OVERLOAD_FACTOR = 0.9;

/**
 * Finds the limit from the gradient of latency, as Envoy's adaptive concurrency does: best pace by pace of now, and
 * some room to find out whether there is more. The best is taken from times with little to do, and not by emptying the
 * target every now and then: an engine's answers take too long for that. In time per token, since answers differ in
 * length.
 */
export class AdaptiveLimit implements ConcurrencyLimit {
  #limit = FIRST;
  #short: number | undefined;
  #best: number | undefined;

  get value(): number {
    return Math.max(LOWEST, Math.floor(this.#limit));
  }

  succeeded(timePerTokenMs: number, inflight: number): void {
    const short =
      this.#short === undefined ? timePerTokenMs : this.#short + (timePerTokenMs - this.#short) / SHORT;
    let best = Math.min(this.#best ?? short, short);
    if (inflight <= Math.max(FEW, this.#limit / 2)) best += (short - best) * RELAXING;
    this.#short = short;
    this.#best = best;
    // Where there was less to do than the limit allows, nothing can be said of more.
    if (inflight < this.#limit / 2) return;
    const gradient = Math.max(0.5, Math.min(1, (TOLERANCE * best) / short));
    const room = Math.sqrt(this.#limit);
    this.#set(this.#limit * (1 - SMOOTHING) + (this.#limit * gradient + room) * SMOOTHING);
  }

  overloaded(): void {
    this.#set(this.#limit * OVERLOAD_FACTOR);
  }

  #set(limit: number): void {
    this.#limit = Math.min(HIGHEST, Math.max(LOWEST, limit));
  }
}
