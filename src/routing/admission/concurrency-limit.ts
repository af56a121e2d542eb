/** How many attempts a target may have in flight: a fixed or an adaptive number. */
export interface ConcurrencyLimit {
  readonly value: number;
  /** Registers a success. @param inflight attempts in flight, including this one */
  succeeded?(timePerTokenMs: number, inflight: number): void;
  /** Registers an overload response or a timeout. */
  overloaded?(): void;
}

/** A configured limit; null for none. */
export type LimitSetting = number | 'adaptive' | null;

const FIRST = 20;
const LOWEST = 1;
const HIGHEST = 1_000;
/** Accepted slowdown, because engines that batch gain throughput from it. */
const TOLERANCE = 1.5;
const SMOOTHING = 0.1;
/** Attempts over which the current time per token is averaged. */
const SHORT = 10;
/** Weight with which the best time per token rises while the target is slow under low load. */
const RELAXATION = 0.02;
const FEW = 2;
const OVERLOAD_FACTOR = 0.9;

/**
 * Derives the limit from the latency gradient, like Envoy's adaptive concurrency filter: the ratio of the best to the
 * current time per token, plus headroom to probe for more. The best is measured under low load instead of in periods
 * that drain the target, because LLM responses take too long for that.
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
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
    if (inflight <= Math.max(FEW, this.#limit / 2)) best += (short - best) * RELAXATION;
    this.#short = short;
    this.#best = best;
    // Below half of the limit, a measurement says nothing about the limit.
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
