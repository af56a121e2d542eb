import { asCount, isRecord } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';

/** Reads the usage of a message. The API's input excludes cached tokens; the canonical input includes them. */
export function readMessageUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const input = asCount(value.input_tokens);
  const output = asCount(value.output_tokens);
  const read = asCount(value.cache_read_input_tokens);
  const written = asCount(value.cache_creation_input_tokens);
  const details = isRecord(value.output_tokens_details) ? value.output_tokens_details : {};
  const reasoning = asCount(details.thinking_tokens) ?? asCount(details.reasoning_tokens);
  return {
    ...(input === undefined ? {} : { inputTokens: input + (read ?? 0) + (written ?? 0) }),
    ...(output === undefined ? {} : { outputTokens: output }),
    ...(read === undefined ? {} : { cachedInputTokens: read }),
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(reasoning === undefined ? {} : { reasoningTokens: reasoning }),
    raw: value,
  };
}
