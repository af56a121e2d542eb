import { describe, expect, test } from 'bun:test';
import { readUsage } from './usage.ts';

describe('readUsage', () => {
  test('reads the counts with their details, and keeps the original', () => {
    const raw = {
      prompt_tokens: 10,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
      x: 1,
    };
    expect(readUsage(raw)).toEqual({
      inputTokens: 10,
      outputTokens: 0,
      cachedInputTokens: 4,
      reasoningTokens: 2,
      raw,
    });
  });

  test('reads cached input in its other form', () => {
    expect(readUsage({ prompt_cache_hit_tokens: 3 })?.cachedInputTokens).toBe(3);
  });

  test('reads cache writes, which input includes', () => {
    for (const name of ['cache_write_tokens', 'cache_creation_tokens']) {
      const raw = { prompt_tokens: 90, prompt_tokens_details: { cached_tokens: 30, [name]: 50 } };
      expect(readUsage(raw)).toEqual({ inputTokens: 90, cachedInputTokens: 30, cacheWriteTokens: 50, raw });
    }
  });

  test('leaves out what is missing or senseless', () => {
    const raw = { prompt_tokens: -1, completion_tokens: 1.5, prompt_tokens_details: null };
    expect(readUsage(raw)).toEqual({ raw });
    for (const absent of [null, undefined, [], 'x', 3]) expect(readUsage(absent)).toBeUndefined();
  });
});
