import type { ErrorCode, GatewayError } from '../core/errors.ts';

export interface RetrySettings {
  /** Total attempts after which no further round starts. 1: a target that failed is not tried again. */
  readonly attempts: number;
  /** Backoff before the second round, in milliseconds; it doubles for each further round. */
  readonly baseMs: number;
  /** Longest backoff, in milliseconds. */
  readonly maxMs: number;
  /** Share of requests that may be retried, 0 to 1, in addition to a small reserve. */
  readonly budget: number;
}

export const DEFAULT_RETRY: RetrySettings = { attempts: 3, baseMs: 1_000, maxMs: 4_000, budget: 0.2 };

/** Failures after which the same target may succeed. Nothing else is retried on it. */
const REPEATABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_overloaded',
  'upstream_timeout',
  'upstream_rate_limited',
]);

/** @returns whether the same target may be tried again after this failure */
export function isRepeatable(code: ErrorCode): boolean {
  return REPEATABLE.has(code);
}

/** @returns whether the target that failed with this error may be tried again for the same request */
export function mayRepeat({ code, details }: GatewayError): boolean {
  return isRepeatable(code) && !details.isFinal;
}

/**
 * Exponential backoff with jitter.
 * @param round 0 for the first wait
 * @param random 0 to below 1
 * @returns milliseconds, between half of the doubled base and all of it, at most `maxMs`
 */
export function backoffMs({ baseMs, maxMs }: RetrySettings, round: number, random: () => number): number {
  return Math.min(baseMs * 2 ** round, maxMs) * (0.5 + random() / 2);
}

/** Budgets count thousandths of a retry, which are exact. The reserve is 20 retries, refilled at 10 per second. */
const ONE = 1_000;
const RESERVE = 20 * ONE;
const MAX_BALANCE = 200 * ONE;
const RESERVE_PER_MS = 10;

/**
 * Keeps retries from multiplying the load of an upstream that is down: each request adds a share of a retry to the
 * budget, and each retry takes one.
 */
export class RetryBudget {
  #left = RESERVE;
  #at = 0;

  /** @param share of a retry, 0 to 1 */
  earn(share: number, now: number): void {
    this.#refill(now);
    this.#left = Math.min(this.#left + Math.round(share * ONE), MAX_BALANCE);
  }

  /** @param now monotonic milliseconds @returns false where the budget is empty */
  spend(now: number): boolean {
    this.#refill(now);
    if (this.#left < ONE) return false;
    this.#left -= ONE;
    return true;
  }

  #refill(now: number): void {
    const passed = Math.max(0, Math.floor(now - this.#at));
    if (this.#left < RESERVE) this.#left = Math.min(RESERVE, this.#left + passed * RESERVE_PER_MS);
    this.#at += passed;
  }
}

/** The budget holds at most ten hedges. */
const MAX_SAVED = 10 * ONE;

/** Limits hedges to a share of the requests. */
export class HedgeBudget {
  #left = 0;

  /** Adds the share of one request. @param percent 0 to 100 */
  earn(percent: number): void {
    this.#left = Math.min(MAX_SAVED, this.#left + Math.round(percent * (ONE / 100)));
  }

  /** @returns false where the budget is empty */
  spend(): boolean {
    if (this.#left < ONE) return false;
    this.#left -= ONE;
    return true;
  }
}
