import { asCount, isRecord, type JsonObject } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';

/** Reads the usage of a message. The API's input excludes cached tokens; the canonical input includes them. */
export function readMessageUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const input = asCount(value.input_tokens);
  const output = asCount(value.output_tokens);
  const read = asCount(value.cache_read_input_tokens);
  const written = asCount(value.cache_creation_input_tokens);
  const writes = isRecord(value.cache_creation) ? value.cache_creation : {};
  const long = asCount(writes.ephemeral_1h_input_tokens);
  const details = isRecord(value.output_tokens_details) ? value.output_tokens_details : {};
  const reasoning = asCount(details.thinking_tokens) ?? asCount(details.reasoning_tokens);
  return {
    ...(input === undefined ? {} : { inputTokens: input + (read ?? 0) + (written ?? 0) }),
    ...(output === undefined ? {} : { outputTokens: output }),
    ...(read === undefined ? {} : { cachedInputTokens: read }),
    ...(written === undefined ? {} : { cacheWriteTokens: written }),
    ...(long ? { longCacheWriteTokens: Math.min(long, written ?? 0) } : {}),
    ...(reasoning === undefined ? {} : { reasoningTokens: reasoning }),
    raw: value,
  };
}

/** Members of a usage object that are kept. The API sends about ten. */
const MAX_MEMBERS = 100;

/** Merges the usage of a stream's next event, which contains the changed members only, into that of the events before it. */
export function mergeUsage(before: JsonObject, next: JsonObject): JsonObject {
  const merged: Record<string, unknown> = { ...before };
  let count = Object.keys(before).length;
  for (const name in next) {
    const value = next[name];
    if (value === null) continue;
    if (!Object.hasOwn(merged, name)) {
      if (count >= MAX_MEMBERS) continue;
      count += 1;
    }
    merged[name] = value;
  }
  return merged;
}
