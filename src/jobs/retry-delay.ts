import type { ErrorCode, GatewayError } from '../core/errors.ts';

/** Runs of one request whose provider fails. */
const MAX_RUNS = 4;
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 60_000;
/** How long requests wait for a limit or a provider before they are tried again. */
export const MIN_WAIT_MS = 1_000;
const MAX_WAIT_MS = 5 * 60_000;

/** The request cannot run now, through no fault of its own: it waits, however often. */
const WAIT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limit_exceeded',
  'quota_exceeded',
  'model_busy',
  'engine_unavailable',
  'gateway_overloaded',
  'store_unavailable',
  'guardrail_unavailable',
  'shutting_down',
]);
/** A provider failed: some further runs may succeed. */
const RETRY_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_rate_limited',
  'upstream_error',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_overloaded',
  'upstream_timeout',
  'model_unavailable',
]);

/** How long a request waits until it runs again. */
export interface Pause {
  readonly ms: number;
  /** Other requests would meet the same; the run counts as no failure. */
  readonly isOfAll: boolean;
}

/**
 * Decides whether a stored request runs again after an error.
 * @param error undefined for a response without an error
 * @param attempt of its runs whose provider failed, from 1
 * @returns undefined for a response that is the request's result
 */
export function retryDelay(error: GatewayError | undefined, attempt: number): Pause | undefined {
  if (!error) return undefined;
  const asked = (error.details.retryAfterSeconds ?? 0) * 1_000;
  if (WAIT_CODES.has(error.code)) {
    // A quota that is full for longer than a batch runs is not waited for.
    const isLong = error.code === 'quota_exceeded' && asked > MAX_WAIT_MS;
    const ms = isLong ? asked : Math.min(Math.max(asked, MIN_WAIT_MS), MAX_WAIT_MS);
    return { ms, isOfAll: true };
  }
  if (!RETRY_CODES.has(error.code) || attempt >= MAX_RUNS) return undefined;
  const ms = Math.min(LAST_PAUSE_MS, Math.max(asked, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
  return { ms, isOfAll: false };
}
