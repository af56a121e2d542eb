import { describe, expect, test } from 'bun:test';
import { toBytes } from '../../../test/support/bytes.ts';
import {
  chatAnswer,
  chatEvent,
  testCall,
  testContext,
  testProvider,
  testTarget,
} from '../../../test/support/inference.ts';
import { readUsage, usageOfChoices } from './usage.ts';

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

test('the usage of one choice stands for all of them where a server reports no more', () => {
  const raw = { prompt_tokens: 10, completion_tokens: 7, completion_tokens_details: { reasoning_tokens: 2 } };
  expect(usageOfChoices(readUsage(raw), 3)).toEqual({
    inputTokens: 10,
    outputTokens: 21,
    reasoningTokens: 6,
    raw,
  });
  expect(usageOfChoices(readUsage(raw), 1)?.outputTokens).toBe(7);
  expect(usageOfChoices(undefined, 3)).toBeUndefined();
});

test.each([
  [{ n: 3 }, true, 21],
  [{ n: 3 }, false, 7],
  [{}, true, 7],
])(
  'a request with %p at a server that reports one choice (%p) used %i tokens',
  (more, usageOfOneChoice, tokens) => {
    const target = testTarget(testProvider({ profile: { usageOfOneChoice } }));
    const usage = { prompt_tokens: 10, completion_tokens: 7 };
    const plain = testCall({ model: 'asked', messages: [], ...more });
    const response = {
      status: 200,
      headers: { get: () => null },
      body: toBytes(chatAnswer('hi', { usage })),
    };
    const { adapter } = target.provider;
    expect(adapter.parseResponse(response, plain, target, testContext()).usage?.outputTokens).toBe(tokens);
    const decoder = adapter.streamDecoder({ ...plain, stream: true }, target, testContext(), 'bytes');
    const end = `data: ${JSON.stringify({ id: 'a', choices: [], usage })}\n\ndata: [DONE]\n\n`;
    decoder.push(toBytes(`${chatEvent('a')}${chatEvent('', 'stop')}${end}`), () => undefined);
    expect(decoder.observed.usage?.outputTokens).toBe(tokens);
  },
);
