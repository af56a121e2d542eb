import { asCount, isRecord } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';

/** @returns the usage of all choices, as far as it follows from that of one: the input is read once */
export function usageOfChoices(usage: Usage | undefined, choices: number): Usage | undefined {
  if (usage === undefined || choices <= 1) return usage;
  const { outputTokens, reasoningTokens } = usage;
  return {
    ...usage,
    ...(outputTokens === undefined ? {} : { outputTokens: outputTokens * choices }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens: reasoningTokens * choices }),
  };
}

/**
 * Reads OpenAI's `usage` object and its vendors' variants. Absent counts stay absent.
 * Source: https://platform.openai.com/docs/api-reference/chat/object; DeepSeek reports cached input as
 * `prompt_cache_hit_tokens`; OpenRouter and OpenAI report cache writes as `cache_write_tokens`, LiteLLM as
 * `cache_creation_tokens`.
 */
export function readUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined;
  const inputDetails = raw.prompt_tokens_details;
  const outputDetails = raw.completion_tokens_details;
  const usage: { -readonly [Field in keyof Usage]: Usage[Field] } = { raw };
  const input = asCount(raw.prompt_tokens);
  if (input !== undefined) usage.inputTokens = input;
  const output = asCount(raw.completion_tokens);
  if (output !== undefined) usage.outputTokens = output;
  const cached =
    (isRecord(inputDetails) ? asCount(inputDetails.cached_tokens) : undefined) ??
    asCount(raw.prompt_cache_hit_tokens);
  if (cached !== undefined) usage.cachedInputTokens = cached;
  const written = isRecord(inputDetails)
    ? (asCount(inputDetails.cache_write_tokens) ?? asCount(inputDetails.cache_creation_tokens))
    : undefined;
  if (written !== undefined) usage.cacheWriteTokens = written;
  const reasoning = isRecord(outputDetails) ? asCount(outputDetails.reasoning_tokens) : undefined;
  if (reasoning !== undefined) usage.reasoningTokens = reasoning;
  return usage;
}
