import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { NO_MEDIA, PLAIN_DEMAND, type RequestDemand } from '../core/request-demand.ts';
import { imageTokens } from '../providers/media-tokens.ts';
import { leastTokens, likelyTokens, type ModelBounds, mostTokens } from './use-bounds.ts';

const MODEL: ModelBounds = {
  contextWindow: 200_000,
  maxOutputTokens: 64_000,
  thinkingBudget: undefined,
  image: { full: 1_000, low: 100 },
};
const generation = (more: Partial<RequestDemand> = {}): RequestDemand => ({
  ...PLAIN_DEMAND,
  generates: true,
  outputLimit: 100,
  ...more,
});
const length = (bytes: number) => ({ bytes, units: bytes });
const ranges = (demand: RequestDemand, bytes = 1_000, model = MODEL) => ({
  most: mostTokens(demand, length(bytes), model),
  least: leastTokens(demand, length(bytes), model),
});

describe('the most that a request can use', () => {
  test('is its bytes, and its output limit for each response', () => {
    expect(ranges(generation()).most).toEqual({ inputTokens: 1_000, outputTokens: 100 });
    const many = generation({ prompts: 3, choices: 5 });
    expect(ranges(many).most).toEqual({ inputTokens: 1_000, outputTokens: 1_500 });
    expect(ranges(many).least).toEqual(ranges(many).most);
  });

  test("is the model's maximum without an output limit, and a usual response is the least", () => {
    const open = generation({ outputLimit: undefined, choices: 2 });
    expect(ranges(open)).toEqual({
      most: { inputTokens: 1_000, outputTokens: 128_000 },
      least: { inputTokens: 1_000, outputTokens: 1_000 },
    });
    const small = { ...MODEL, maxOutputTokens: 300 };
    expect(ranges(open, 1_000, small).least.outputTokens).toBe(600);
    const unknown = { ...MODEL, maxOutputTokens: undefined };
    expect(ranges(open, 1_000, unknown).most.outputTokens).toBe(400_000);
    const nothing = { ...unknown, contextWindow: undefined };
    expect(ranges(open, 1_000, nothing).most.outputTokens).toBe(2 * 4_096);
  });

  test('has no output for embeddings and rerankers', () => {
    const { most, least } = ranges({ ...PLAIN_DEMAND, addedBytes: 50 });
    expect([most, least]).toEqual([
      { inputTokens: 1_050, outputTokens: 0 },
      { inputTokens: 1_050, outputTokens: 0 },
    ]);
  });

  test('counts media by their size, not by their base64 text', () => {
    const media = { ...NO_MEDIA, images: 2, lowDetailImages: 1, audioLength: 160, encodedLength: 900 };
    expect(ranges(generation({ media })).most.inputTokens).toBe(100 + 2_000 + 100 + 10);
  });

  test('fills the context window with input of unknown size, of which a file is the least', () => {
    const file = generation({ media: { ...NO_MEDIA, unseen: 1, encodedLength: 400 } });
    expect(ranges(file)).toMatchObject({
      most: { inputTokens: 600 + 200_000 },
      least: { inputTokens: 600 + 1_500 },
    });
    const open = generation({ isOpenEnded: true });
    expect(ranges(open, 1_000, { ...MODEL, contextWindow: undefined }).most.inputTokens).toBe(129_000);
  });

  test('includes instructions for tools, predictions and generated images', () => {
    expect(ranges(generation({ hasTools: true })).most.inputTokens).toBe(1_600);
    const predicted = generation({ predictionBytes: 40, choices: 2 });
    expect(ranges(predicted).most.outputTokens).toBe(280);
    expect(ranges(generation({ generatesImages: true })).most.outputTokens).toBe(6_400);
  });

  test('includes the reasoning that adapters add to an output limit', () => {
    const model = { ...MODEL, thinkingBudget: { min: 1_024, max: 128_000 } };
    const output = (reasoning: RequestDemand['reasoning'], outputLimit: number, of: ModelBounds = model) =>
      ranges(generation({ reasoning, outputLimit }), 0, of).most.outputTokens;
    expect(output({ budgetTokens: 2_000 }, 5_000)).toBe(5_000);
    expect(output({ budgetTokens: 2_000 }, 100)).toBe(3_024);
    expect(output({ budgetTokens: 2_000 }, 1_900)).toBe(3_900);
    expect(output({ effort: 'high' }, 100)).toBe(24_576 + 1_024);
    expect(output({ budgetTokens: 10 }, 100)).toBe(2_048);
    expect(output({ effort: 'high' }, 100, { ...model, thinkingBudget: undefined })).toBe(100);
    expect(output(undefined, 100)).toBe(100);
  });

  test('bounds the tokens of any text with the published vocabularies', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '今日は天気がいいですね。'.repeat(20),
        '안녕하세요 '.repeat(20),
        '👩‍👩‍👧‍👦🏳️‍🌈'.repeat(10),
        '𒀀𒁀𓂀'.repeat(20),
        'ﷺ'.repeat(20),
        'dGhlIHF1aWNrIGJyb3duIGZveA=='.repeat(20),
        '{"a":[{"b":{"c":[1,2,3]}}]}'.repeat(10),
        '\u0000\u0001\u0002\u0003',
        '  \n\t \r\n'.repeat(30),
      ),
    );
    fc.assert(
      fc.property(text, (content) => {
        const body = JSON.stringify({ messages: [{ role: 'user', content }] });
        const units = body.length;
        const { inputTokens } = mostTokens(generation(), { bytes: Buffer.byteLength(body), units }, MODEL);
        const options = { disallowedSpecial: new Set<string>() };
        expect(inputTokens).toBeGreaterThanOrEqual(o200k(content, options) + 7);
        expect(inputTokens).toBeGreaterThanOrEqual(cl100k(content, options) + 7);
      }),
    );
  });
});

test('the likely use is near the count of texts in several scripts', () => {
  for (const content of [
    'The quick brown fox jumps over the lazy dog. '.repeat(20),
    '今日は天気がいいですね。散歩に行きましょう。'.repeat(20),
    '오늘 날씨가 좋네요. 산책하러 갑시다.'.repeat(20),
    'Сегодня хорошая погода, пойдём гулять.'.repeat(20),
  ]) {
    const { inputTokens } = likelyTokens(
      generation(),
      { bytes: Buffer.byteLength(content), units: content.length },
      MODEL,
    );
    const real = o200k(content);
    expect(inputTokens).toBeGreaterThanOrEqual(real * 0.95);
    expect(inputTokens).toBeLessThanOrEqual(real * 3);
  }
});

test('images have the maximum of their model', () => {
  expect(imageTokens('gpt-4o-mini-2024-07-18')).toEqual({ full: 48_169, low: 2_833 });
  expect(imageTokens('gpt-4o')).toEqual({ full: 1_445, low: 85 });
  expect(imageTokens('openai/gpt-4.1-nano').full).toBe(3_779);
  expect(imageTokens('us.anthropic.claude-sonnet-4-5-v1:0').full).toBe(1_700);
  expect(imageTokens('claude-opus-4-7').full).toBe(5_000);
  expect(imageTokens('gemini-3-pro').full).toBe(2_300);
  expect(imageTokens('Qwen/Qwen2.5-VL-7B-Instruct').full).toBe(16_384);
});
