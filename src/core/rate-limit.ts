/** State of one rate limit, quota or budget at one moment, for clients to pace themselves. */
export interface RateLimitStatus {
  /** What is allowed: a count, or a decimal amount of US dollars as text. */
  readonly limit: number | string;
  /** What is left of it; whole, never below 0. */
  readonly remaining: number;
  /** Whole seconds until all of it, or after a refusal enough for the request, is available again. */
  readonly resetSeconds: number;
}

/** @returns the state that leaves the least; undefined where there is none */
export function tightest(
  one: RateLimitStatus | undefined,
  other: RateLimitStatus | undefined,
): RateLimitStatus | undefined {
  if (!one || !other) return one ?? other;
  return other.remaining < one.remaining ? other : one;
}
