/** When a circuit breaker opens, and for how long. */
export interface BreakerSettings {
  /** Consecutive failures that open it. */
  readonly failures: number;
  /** Share of failures that opens it, 0 to 1, among at least `minRequests` in the last 30 s. */
  readonly errorRate: number;
  readonly minRequests: number;
  /** Milliseconds until the first probe. */
  readonly openMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

const BUCKETS = 10;
const BUCKET_MS = 3_000;
/** Each failed probe doubles the time until the next one, up to this factor. */
const MAX_BACKOFF_FACTOR = 8;

/**
 * Stops requests to a target that fails. Closed: all requests pass. Open: none passes. Half open, after `openMs`: one
 * probe at a time passes, and its outcome closes or opens the breaker.
 */
export class CircuitBreaker {
  #open = false;
  #openUntil = 0;
  #backoffFactor = 1;
  #probing = false;
  #failuresInRow = 0;
  /** Whether an attempt has started. */
  used = false;
  readonly #counts = new Float64Array(BUCKETS * 2);
  #bucket = 0;

  constructor(private readonly settings: () => BreakerSettings) {}

  state(now: number): BreakerState {
    if (!this.#open) return 'closed';
    return now >= this.#openUntil ? 'half-open' : 'open';
  }

  /** @returns whether an attempt may start */
  admits(now: number): boolean {
    return !this.#open || (now >= this.#openUntil && !this.#probing);
  }

  /** Monotonic milliseconds at which the next probe may pass; 0 while closed. */
  get openUntil(): number {
    return this.#open ? this.#openUntil : 0;
  }

  /** Registers the start of an attempt. @returns whether it is a probe */
  begin(now: number): boolean {
    this.used = true;
    if (!this.#open || this.#probing || now < this.#openUntil) return false;
    this.#probing = true;
    return true;
  }

  /** Registers a success. @returns whether it closed the breaker */
  succeeded(now: number, probe: boolean): boolean {
    this.#count(now, false);
    this.#failuresInRow = 0;
    if (!probe || !this.#open) return false;
    this.#probing = false;
    this.#open = false;
    this.#backoffFactor = 1;
    this.#counts.fill(0);
    return true;
  }

  /** Registers a failure. @returns whether it opened the closed breaker */
  failed(now: number, probe: boolean): boolean {
    this.#count(now, true);
    this.#failuresInRow += 1;
    if (probe) {
      this.#probing = false;
      this.#backoffFactor = Math.min(this.#backoffFactor * 2, MAX_BACKOFF_FACTOR);
      this.#openAt(now);
      return false;
    }
    if (this.#open || !this.#isBad(now)) return false;
    this.#openAt(now);
    return true;
  }

  /** Registers an attempt that says nothing about the target, such as one whose client disconnected. */
  abandoned(probe: boolean): void {
    if (probe) this.#probing = false;
  }

  /** Closes the breaker and drops all counts. */
  reset(): void {
    this.#open = false;
    this.#probing = false;
    this.#backoffFactor = 1;
    this.#failuresInRow = 0;
    this.#counts.fill(0);
  }

  #openAt(now: number): void {
    this.#open = true;
    this.#openUntil = now + this.settings().openMs * this.#backoffFactor;
  }

  /** @returns the counts of the last 30 s */
  recent(now: number): { readonly requests: number; readonly failures: number } {
    this.#advance(now);
    let [requests, failures] = [0, 0];
    for (let at = 0; at < BUCKETS; at += 1) {
      failures += this.#counts[at * 2] ?? 0;
      requests += (this.#counts[at * 2] ?? 0) + (this.#counts[at * 2 + 1] ?? 0);
    }
    return { requests, failures };
  }

  /** Drops all counts; the breaker keeps its state. */
  forget(): void {
    this.#failuresInRow = 0;
    this.#counts.fill(0);
  }

  #isBad(now: number): boolean {
    const { failures, errorRate, minRequests } = this.settings();
    if (this.#failuresInRow >= failures) return true;
    const recent = this.recent(now);
    return recent.requests >= minRequests && recent.failures / recent.requests >= errorRate;
  }

  #count(now: number, failure: boolean): void {
    this.#advance(now);
    const at = (this.#bucket % BUCKETS) * 2 + (failure ? 0 : 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    // Buckets of the time since the last count are empty.
    const stale = Math.min(bucket - this.#bucket, BUCKETS);
    for (let step = 1; step <= stale; step += 1) {
      const at = ((this.#bucket + step) % BUCKETS) * 2;
      this.#counts[at] = 0;
      this.#counts[at + 1] = 0;
    }
    this.#bucket = Math.max(bucket, this.#bucket);
  }
}
