/** Counts, in seconds of the server's tick, how long a peer has been slower than it must be. Needs no timer of its own. */
export class ProgressClock {
  #seconds = 0;
  #moved = 0;
  #behind = 0;

  /** Seconds since the last `restart`. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Seconds that the peer was behind at the last tick. */
  get behind(): number {
    return this.#behind;
  }

  restart(): void {
    this.#seconds = 0;
    this.#moved = 0;
    this.#behind = 0;
  }

  /** The peer sent or took bytes. */
  moved(bytes: number): void {
    this.#moved += bytes;
  }

  /**
   * A second has passed.
   * @param minRate bytes per second; null where any byte is enough
   * @returns seconds that the peer is behind: it grows by one for each second without a byte, and never falls below zero, so
   * that a burst earns no credit
   */
  tick(minRate: number | null): number {
    const moved = this.#moved;
    this.#moved = 0;
    this.#seconds += 1;
    if (minRate !== null) this.#behind = Math.max(0, this.#behind + 1 - moved / minRate);
    else this.#behind = moved > 0 ? 0 : this.#behind + 1;
    return this.#behind;
  }
}
