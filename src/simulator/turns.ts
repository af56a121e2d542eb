/** Units of work that all responses together may do in one turn of the event loop: about 1 ms. */
const MAX_IN_TURN = 64;

interface Waiting {
  readonly units: number;
  readonly resolve: () => void;
}

/** Lets other work of the process run between the parts of responses. */
export class Turns {
  #used = 0;
  #isScheduled = false;
  #waiting: Waiting[] = [];

  /**
   * Asks for a part of the present turn.
   * @param units work to do; one token of a text is 1
   * @returns undefined when the work may be done now, else a promise of a later turn
   */
  next(units = 1): Promise<void> | undefined {
    this.#schedule();
    if (this.#used < MAX_IN_TURN && this.#waiting.length === 0) {
      this.#used += units;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push({ units, resolve });
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#isScheduled = false;
    this.#used = 0;
    let count = 0;
    for (; this.#used < MAX_IN_TURN; count += 1) {
      const next = this.#waiting[count];
      if (!next) break;
      this.#used += next.units;
      next.resolve();
    }
    this.#waiting = this.#waiting.slice(count);
    if (count > 0) this.#schedule();
  }
}
