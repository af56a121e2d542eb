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

  readonly #flush = () => {
    const senders = this.#waiting;
    this.#waiting = [];
    for (const sender of senders) sender.flush();
  };

  /** Call once before each flush. */
  add(sender: Sender): void {
    if (this.#waiting.push(sender) === 1) setImmediate(this.#flush);
  }
}
