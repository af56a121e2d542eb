/** Bounds the lines that run at the same time, of all jobs of this process. Those that wait longest begin first. */
export class LinePool {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param limit lines at the same time, at least 1; read again with each line */
  constructor(private readonly limit: () => number) {}

  /** Runs when there is a place. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running >= this.limit()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}
