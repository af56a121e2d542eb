/** Has something to send. */
export interface Sender {
  /** Sends it. Never throws. */
  flush(): void;
}

/**
 * Collects who has something to send until all that came in at once has been read and handled, and then lets them send,
 * one after the other. Each write wakes its reader up; readers that are still awake from the write before cost the
 * system a third less (docs/decisions/0017). Where nothing else came in, it is sent at once after the handling.
 */
export class WriteBatch {
  #waiting: Sender[] = [];

  readonly #flush = () => {
    const senders = this.#waiting;
    this.#waiting = [];
    for (const sender of senders) sender.flush();
  };

  /** Once for each flush. */
  add(sender: Sender): void {
    if (this.#waiting.push(sender) === 1) setImmediate(this.#flush);
  }
}
