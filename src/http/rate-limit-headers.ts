import type { RateLimitStatus } from '../core/rate-limit.ts';

/** @returns the `x-ratelimit-*` response headers that report a limit's state, by lower-case name */
export function rateLimitHeaders({
  limit,
  remaining,
  resetSeconds,
}: RateLimitStatus): Record<string, string> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(resetSeconds),
  };
}
