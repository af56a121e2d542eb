import type { ErrorCode } from '../core/errors.ts';

export interface RetrySettings {
  /** Attempts of one request in all, where each target has had one. 1: a target that failed is not tried again. */
  readonly attempts: number;
  /** Milliseconds before the second round; each further round waits twice as long. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** Share of the requests that may be retried, 0 to 1, beside a small number that always may. */
  readonly budget: number;
}

export const DEFAULT_RETRY: RetrySettings = { attempts: 3, baseMs: 1_000, maxMs: 4_000, budget: 0.2 };

/** Failures after which the same target may answer all the same. An allow-list: anything else is not repeated. */
const REPEATABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_unreachable',
  'upstream_closed',
  'upstream_invalid_response',
  'upstream_overloaded',
  'upstream_timeout',
  'upstream_rate_limited',
]);

export function isRepeatable(code: ErrorCode): boolean {
  return REPEATABLE.has(code);
}

/** Exponential with jitter: between half of and the whole doubled time. @param round 0 for the first wait */
export function backoffMs({ baseMs, maxMs }: RetrySettings, round: number, random: () => number): number {
  return Math.min(baseMs * 2 ** round, maxMs) * (0.5 + random() / 2);
}

/** What may always be retried: at once, and each second. In thousandths of a retry, which are exact. */
const ONE = 1_000;
const RESERVE = 20 * ONE;
const MOST = 200 * ONE;
const RESERVE_PER_MS = 10;

/**
 * Keeps retries from doubling the load of an upstream that is down already: each request earns a share of a retry, and
 * each retry costs one.
 */
export class RetryBudget {
  #left = RESERVE;
  #at = 0;

  /** @param share of a retry, 0 to 1 */
  earn(share: number, now: number): void {
    this.#refill(now);
    this.#left = Math.min(this.#left + Math.round(share * ONE), MOST);
  }

  /** @returns false when there is nothing left */
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

/** Hedges that may wait for a bad moment, at most. */
const MOST_SAVED = 10 * ONE;

/** Keeps hedges to a share of the requests, whatever happens. */
export class HedgeBudget {
  #left = 0;

  /** A request that might be hedged. @param percent 0 to 100 */
  earn(percent: number): void {
    this.#left = Math.min(MOST_SAVED, this.#left + Math.round(percent * (ONE / 100)));
  }

  spend(): boolean {
    if (this.#left < ONE) return false;
    this.#left -= ONE;
    return true;
  }
}
