const TICK_MS = 1;

/** How many of `total` starts are due after `elapsedMs` at a fixed rate; the first is due at once. */
export function due(elapsedMs: number, perSecond: number, total: number): number {
  return Math.min(total, Math.floor((elapsedMs * perSecond) / 1000) + 1);
}

/**
 * Calls `start` `total` times at a fixed rate, and resolves after the last call. A late timer is made up for, so the
 * mean rate holds; starts of one tick (1 ms) come together, for every subject alike.
 */
export function startAtRate(total: number, perSecond: number, start: () => void): Promise<void> {
  const from = performance.now();
  let started = 0;
  return new Promise((resolve, reject) => {
    const tick = () => {
      try {
        for (const until = due(performance.now() - from, perSecond, total); started < until; started++)
          start();
      } catch (error) {
        clearInterval(timer);
        reject(error);
        return;
      }
      if (started === total) {
        clearInterval(timer);
        resolve();
      }
    };
    const timer = setInterval(tick, TICK_MS);
    tick();
  });
}
