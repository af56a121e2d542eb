/** A writer with unsent bytes. */
export interface Sender {
  /** Sends them. Never throws. */
  flush(): void;
}

/**
 * Collects writers until all bytes that arrived in one event-loop turn are handled, then flushes them in order. Each write
 * wakes the process that reads it; a reader that is still awake from the previous write costs the system a third less
 * (docs/decisions/0017).
 */
export class WriteBatch {
  #waiting: Sender[] = [];
  #scheduled = false;
  #turn = 0;

  readonly #flush = () => {
    this.#scheduled = false;
    this.#turn += 1;
    const senders = this.#waiting;
    this.#waiting = [];
    for (const sender of senders) sender.flush();
  };

  /** Number of the current turn of the event loop; counts turns with a call of `add` or `markTurn` only. */
  get turn(): number {
    return this.#turn;
  }

  /** @returns the number of this turn, which `turn` differs from once all bytes that arrived in this turn are handled */
  markTurn(): number {
    this.#schedule();
    return this.#turn;
  }

  /** Call once before each flush. */
  add(sender: Sender): void {
    this.#waiting.push(sender);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }
}
