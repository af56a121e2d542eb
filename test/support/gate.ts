/** Lets a test decide when something may go on: each `pass` uses up one permit. */
export interface Gate {
  /** Gives `permits` more permits (1 when absent). */
  release(permits?: number): void;
  /** Lets everything pass from now on. */
  open(): void;
  /** Resolves when a permit was there to take, in the order of the calls. */
  pass(): Promise<void>;
  /** Calls of `pass` that wait for a permit. */
  waiting(): number;
}

/** A gate with no permits. */
export function createGate(): Gate {
  let permits = 0;
  const queue: (() => void)[] = [];
  const admit = () => {
    while (permits > 0) {
      const next = queue.shift();
      if (next === undefined) return;
      permits -= 1;
      next();
    }
  };
  return {
    release(count = 1) {
      permits += count;
      admit();
    },
    open() {
      permits = Number.POSITIVE_INFINITY;
      admit();
    },
    pass: () =>
      new Promise((resolve) => {
        queue.push(resolve);
        admit();
      }),
    waiting: () => queue.length,
  };
}
