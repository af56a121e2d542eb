import { asCount, isRecord } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';

/**
 * Reads OpenAI's `usage` object and its vendors' variants. A field that is missing stays missing.
 * Source: https://platform.openai.com/docs/api-reference/chat/object; DeepSeek reports cached input as
 * `prompt_cache_hit_tokens`.
 */
export function readUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined;
  const inputDetails = isRecord(raw.prompt_tokens_details) ? raw.prompt_tokens_details : {};
  const outputDetails = isRecord(raw.completion_tokens_details) ? raw.completion_tokens_details : {};
  const inputTokens = asCount(raw.prompt_tokens);
  const outputTokens = asCount(raw.completion_tokens);
  const cachedInputTokens = asCount(inputDetails.cached_tokens) ?? asCount(raw.prompt_cache_hit_tokens);
  const reasoningTokens = asCount(outputDetails.reasoning_tokens);
  return {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
    ...(cachedInputTokens === undefined ? {} : { cachedInputTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
    raw,
  };
}
