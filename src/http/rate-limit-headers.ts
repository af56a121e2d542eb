import type { ResponseHeaders } from '../core/http.ts';
import type { RateLimitStatus } from '../core/rate-limit.ts';

/** Sets the `x-ratelimit-*` headers that report a limit's state. */
export function setRateLimitHeaders(
  headers: ResponseHeaders,
  { limit, remaining, resetSeconds }: RateLimitStatus,
): void {
  headers.set('x-ratelimit-limit', String(limit));
  headers.set('x-ratelimit-remaining', String(remaining));
  headers.set('x-ratelimit-reset', String(resetSeconds));
}
