import { expect, test } from 'bun:test';
import { wireUsage } from './items.ts';

test('usage has cache writes where the provider reports them', () => {
  const counts = { inputTokens: 90, outputTokens: 4, cachedInputTokens: 30, raw: {} };
  expect(wireUsage({ ...counts, cacheWriteTokens: 50 })).toMatchObject({
    input_tokens: 90,
    input_tokens_details: { cached_tokens: 30, cache_write_tokens: 50 },
    total_tokens: 94,
  });
  expect(wireUsage(counts)?.input_tokens_details).toEqual({ cached_tokens: 30 });
});
