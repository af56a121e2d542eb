/** Tokens of one response. Absent means not reported, which differs from 0. */
export interface Usage {
  /** Includes cached input, read and written. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Input tokens that the provider read from its prompt cache. */
  readonly cachedInputTokens?: number;
  /** Input tokens that the provider wrote to its prompt cache. */
  readonly cacheWriteTokens?: number;
  /** The part of them that the provider keeps for an hour, at a higher price. */
  readonly longCacheWriteTokens?: number;
  /** The part of the output tokens that is reasoning. */
  readonly reasoningTokens?: number;
  /** The upstream's own usage object. */
  readonly raw: Readonly<Record<string, unknown>>;
}
