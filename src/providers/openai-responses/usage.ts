import { asCount, isRecord } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';

/** Reads the `usage` of a response. Absent counts stay absent. */
export function readResponsesUsage(raw: unknown): Usage | undefined {
  if (!isRecord(raw)) return undefined;
  const input = isRecord(raw.input_tokens_details) ? raw.input_tokens_details : {};
  const output = isRecord(raw.output_tokens_details) ? raw.output_tokens_details : {};
  const counts = {
    inputTokens: asCount(raw.input_tokens),
    outputTokens: asCount(raw.output_tokens),
    cachedInputTokens: asCount(input.cached_tokens),
    cacheWriteTokens: asCount(input.cache_write_tokens),
    reasoningTokens: asCount(output.reasoning_tokens),
  };
  const known = Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined));
  return { ...known, raw };
}
