import type { Clock } from '../core/clock.ts';

/** The work was not done in time. It may still end; its result is not read. */
export const LATE: unique symbol = Symbol('late');

/**
 * Waits for work, but not longer than a time.
 * @param ms milliseconds
 * @returns its result, or `LATE`
 * @throws what the work throws in time
 */
export async function withinDeadline<Result>(
  work: Result | Promise<Result>,
  ms: number,
  clock: Pick<Clock, 'sleep'>,
): Promise<Result | typeof LATE> {
  if (!(work instanceof Promise)) return work;
  const over = new AbortController();
  // A failure after the deadline is not read either.
  work.catch(() => undefined);
  const late = clock.sleep(ms, over.signal).then(
    (): typeof LATE => LATE,
    (): typeof LATE => LATE,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}
