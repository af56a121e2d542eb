/** Failures in a row that open the breaker. */
const FAILURES = 5;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

export interface CallBreakerOptions {
  /** Failures in a row that open it; 5 when absent. */
  readonly failures?: number;
  /** The longest pause, in milliseconds; a minute when absent. The first one is a second. */
  readonly maxPauseMs?: number;
}

/**
 * Stops calls of what fails again and again: after five failures in a row it opens for a second, then lets one call through;
 * each failed one doubles the pause, up to a minute.
 */
export class CallBreaker {
  #failures = 0;
  #pauseMs = 0;
  #closedAt = 0;
  #isProbing = false;
  readonly #maxFailures: number;
  readonly #maxPauseMs: number;

  /** @param now monotonic milliseconds */
  constructor(
    private readonly now: () => number,
    { failures = FAILURES, maxPauseMs = MAX_PAUSE_MS }: CallBreakerOptions = {},
  ) {
    this.#maxFailures = failures;
    this.#maxPauseMs = maxPauseMs;
  }

  get isOpen(): boolean {
    return this.#failures >= this.#maxFailures;
  }

  /** Whether a call may be made; a call that is must report its end. */
  admit(): boolean {
    if (!this.isOpen) return true;
    if (this.#isProbing || this.now() < this.#closedAt) return false;
    this.#isProbing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#pauseMs = 0;
    this.#isProbing = false;
  }

  /** The call ended for reasons of its own: it counts neither way. */
  abandoned(): void {
    this.#isProbing = false;
  }

  /** @returns true where the breaker has opened with this failure */
  failed(): boolean {
    const wasOpen = this.isOpen;
    // Calls that began before it opened say nothing new.
    if (wasOpen && !this.#isProbing) return false;
    this.#failures += 1;
    this.#isProbing = false;
    if (!this.isOpen) return false;
    this.#pauseMs = Math.min(this.#maxPauseMs, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2));
    this.#closedAt = this.now() + this.#pauseMs;
    return !wasOpen;
  }
}
