import type { ChatCall } from '../core/inference.ts';
import type { Edits } from './member-limits.ts';
import type { PromptCacheHint } from './prompt-cache-hint.ts';
import type { Target } from './types.ts';

/** OpenAI caches prompts of 1,024 tokens or more. UTF-16 units of a body. */
const MIN_KEYED_UNITS = 4_096;

/** @returns the key for a prompt that is long enough to be cached; undefined for none */
export function promptCacheKey(units: number, hint: PromptCacheHint | undefined): string | undefined {
  return units < MIN_KEYED_UNITS ? undefined : hint?.key?.();
}

/** Adds the key to the edits of a forwarded body, where the vendor takes it and the client sent none. */
export function addCacheKey(
  { text, body }: Pick<ChatCall, 'text' | 'body'>,
  { provider }: Target,
  edits: Edits,
  hint: PromptCacheHint | undefined,
): void {
  if (!provider.profile.promptCacheKey || body.prompt_cache_key !== undefined) return;
  const key = promptCacheKey(text.length, hint);
  if (key !== undefined) edits.prompt_cache_key = JSON.stringify(key);
}

interface Minimum {
  /** Matched against the bare name in lower case. */
  readonly pattern: RegExp;
  readonly anthropic?: number;
  readonly bedrock?: number;
}

/**
 * Tokens of the shortest prefix that a model caches. The first row that matches counts. Bedrock rejects cache points for
 * models without prompt caching, so that its models are listed.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
 * https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
 */
const MINIMUMS: readonly Minimum[] = [
  { pattern: /^claude-(?:opus|fable|mythos)-5/, anthropic: 512, bedrock: 512 },
  { pattern: /^claude-(?:haiku-4-5|opus-4-[56])/, anthropic: 4_096, bedrock: 4_096 },
  { pattern: /^claude-opus-4-7/, anthropic: 2_048, bedrock: 4_096 },
  { pattern: /^claude-(?:opus-4|sonnet-[45]|3-7-sonnet)/, anthropic: 1_024, bedrock: 1_024 },
  { pattern: /^claude-3-5-haiku/, anthropic: 2_048, bedrock: 2_048 },
  { pattern: /^claude-3-haiku/, anthropic: 2_048 },
  { pattern: /^claude-3-(?:5-sonnet|opus)/, anthropic: 1_024 },
  { pattern: /^claude-(?:opus|sonnet|haiku|fable|mythos)-[5-9]/, anthropic: 4_096, bedrock: 4_096 },
  { pattern: /^nova-(?:micro|lite|pro|premier)/, bedrock: 1_024 },
];

/**
 * @param model the bare name; see `bareName`
 * @returns tokens; undefined for a model without cache breakpoints
 */
export function minCachedTokens(model: string, platform: 'anthropic' | 'bedrock'): number | undefined {
  return MINIMUMS.find(({ pattern }) => pattern.test(model))?.[platform];
}
