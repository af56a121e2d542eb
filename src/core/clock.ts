/** Time as a constructor parameter, so that tests control it. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; monotonic. For durations and deadlines. */
  now(): number;
  /** Unix milliseconds. For timestamps that users and clients see. */
  wallTime(): number;
  /**
   * Waits.
   * @param ms milliseconds
   * @throws the signal's reason when it aborts first
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Converts a moment of the monotonic clock.
 * @returns Unix milliseconds
 */
export function wallTimeOf(clock: Pick<Clock, 'now' | 'wallTime'>, moment: number): number {
  return clock.wallTime() - (clock.now() - moment);
}

/** The clock of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};
