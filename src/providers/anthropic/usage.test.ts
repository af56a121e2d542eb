import { expect, test } from 'bun:test';
import { readConverseUsage } from '../bedrock/response.ts';
import { readMessageUsage } from './usage.ts';

test('tokens that are written for an hour are a part of those written', () => {
  const message = {
    ...{ input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 20, cache_creation_input_tokens: 70 },
    cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 30 },
  };
  const expected = {
    ...{ inputTokens: 100, outputTokens: 5, cachedInputTokens: 20 },
    ...{ cacheWriteTokens: 70, longCacheWriteTokens: 30 },
  };
  expect(readMessageUsage(message)).toEqual({ ...expected, raw: message });
  const short = {
    ...message,
    cache_creation: { ephemeral_5m_input_tokens: 70, ephemeral_1h_input_tokens: 0 },
  };
  expect(readMessageUsage(short)).not.toHaveProperty('longCacheWriteTokens');

  const converse = {
    ...{ inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 20, cacheWriteInputTokens: 70 },
    cacheDetails: [
      { inputTokens: 40, ttl: '5m' },
      { inputTokens: 30, ttl: '1h' },
    ],
  };
  expect(readConverseUsage(converse)).toEqual({ ...expected, raw: converse });
});
