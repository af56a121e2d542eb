/**
 * Tokens of one answer. A field that is absent was not reported, which is not the same as zero.
 * Input includes cached input, as in OpenAI's format.
 */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cachedInputTokens?: number;
  readonly reasoningTokens?: number;
  /** The upstream's own usage object. */
  readonly raw: Readonly<Record<string, unknown>>;
}
