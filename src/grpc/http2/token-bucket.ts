/** Allows bursts of events, and a rate in the long run. Refilled by the server's tick: needs no clock. */
export class TokenBucket {
  #tokens: number;

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.#tokens = burst;
  }

  /** @returns whether there were enough */
  take(tokens: number): boolean {
    this.#tokens -= tokens;
    return this.#tokens >= 0;
  }

  /** The client is entitled to more events. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.burst, this.#tokens + tokens);
  }

  /** A second has passed. */
  tick(): void {
    this.earn(this.perSecond);
  }
}
