const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];

/** Pauses after the first failure, the second one and so on: two days together. */
const PAUSES = [
  ...[5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE],
  ...[1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 20 * HOUR],
];
/** Share of a pause by which it varies, so that endpoints that failed together are not called together. */
const JITTER = 0.2;
const MAX_RETRY_AFTER = 12 * HOUR;

/** Attempts of one delivery. */
export const MAX_ATTEMPTS: number = PAUSES.length + 1;

/**
 * @param attempts that have failed, at least 1
 * @param random from 0 to 1
 * @param retryAfter the header of the last response, in seconds; others are ignored
 * @returns milliseconds until the next attempt; undefined when there is none
 */
export function retryPause(attempts: number, random: number, retryAfter?: string): number | undefined {
  const pause = PAUSES[attempts - 1];
  if (pause === undefined) return undefined;
  const wanted = /^\d{1,7}$/.test(retryAfter ?? '') ? Number(retryAfter) * SECOND : 0;
  const varied = Math.round(pause * (1 + JITTER * (2 * random - 1)));
  return Math.max(varied, Math.min(wanted, MAX_RETRY_AFTER));
}
