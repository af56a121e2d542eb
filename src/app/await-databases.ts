import type { Clock } from '../core/clock.ts';
import { isServerUnreachable, unavailable } from '../storage/sql/database-errors.ts';

export interface AwaitOptions {
  readonly clock: Clock;
  /** How long to retry, from now on. Milliseconds; 0 tries once. */
  readonly timeoutMs: number;
  /** Called after each failed attempt but the last, with the milliseconds until the next one and until the last one. */
  readonly onWait: (error: unknown, retryInMs: number, leftMs: number) => void;
}

const FIRST_PAUSE_MS = 500;
const PAUSE_LIMIT_MS = 5_000;

/**
 * Retries what fails because a database server is unreachable: it may start after the gateway.
 * @returns runs some work; all calls share the time limit
 */
export function awaitDatabases({ clock, timeoutMs, onWait }: AwaitOptions) {
  const endsAt = clock.now() + timeoutMs;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_LIMIT_MS)) {
      try {
        return await work();
      } catch (error) {
        const left = endsAt - clock.now();
        if (left <= 0 || !isServerUnreachable(error)) throw unavailable(error);
        const retryIn = Math.min(pause, left);
        onWait(unavailable(error), retryIn, left);
        await clock.sleep(retryIn);
      }
    }
  };
}
