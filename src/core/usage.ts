/**
 * Tokens of one answer. A field that is absent was not reported, which is not the same as zero.
 * Input includes cached input, read and written.
 */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Input that was read from the provider's prompt cache. */
  readonly cachedInputTokens?: number;
  /** Input that was written to it. */
  readonly cacheWriteTokens?: number;
  /** Part of the output. */
  readonly reasoningTokens?: number;
  /** The upstream's own usage object. */
  readonly raw: Readonly<Record<string, unknown>>;
}
