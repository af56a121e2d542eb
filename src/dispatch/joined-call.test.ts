import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { runs } from '../../test/support/effort.ts';
import { testEmbeddingCall } from '../../test/support/inference.ts';
import { CompleteResult } from '../core/complete-result.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import { isRecord, listOf, records } from '../core/json.ts';
import type { Usage } from '../core/usage.ts';
import { JoinedCall, sharedForm } from './joined-call.ts';

/** A vector that says which input it belongs to. */
const vectorOf = (input: unknown): number[] => [
  JSON.stringify(input).length,
  ...Buffer.from(JSON.stringify(input)),
];

function joined(calls: readonly EmbeddingCall[]): JoinedCall {
  const [first, ...others] = calls;
  if (!first) throw new Error('no calls');
  return new JoinedCall(first, others);
}

/** What an upstream of OpenAI's format responds, its items in any order. */
function responseTo({ call }: JoinedCall, total: number, encoding: unknown, seed: number): CompleteResult {
  const data = call.embedding.inputs.map((input, index) => {
    const vector = vectorOf(input);
    const bytes = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    return { object: 'embedding', index, embedding: encoding === 'base64' ? bytes : vector, extra: '[{"' };
  });
  const shuffled = data.toSorted((a, b) => ((a.index * seed) % 7) - ((b.index * seed) % 7));
  const usage = { prompt_tokens: total, total_tokens: total, cost: 0.5 };
  const text = JSON.stringify({ id: 'e', object: 'list', data: shuffled, model: 'asked', usage });
  return new CompleteResult(text, { inputTokens: total, raw: usage }, undefined);
}

const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const tokens = fc.array(fc.nat(50_000), { minLength: 1, maxLength: 6 });
const inputOf = <T>(one: fc.Arbitrary<T>) => fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 4 }));

describe('a joined response', () => {
  test('gives each call its own vectors in its order, and usage that adds up', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(inputOf(texts), { minLength: 2, maxLength: 9 }),
          fc.array(inputOf(tokens), { minLength: 2, maxLength: 9 }),
        ),
        fc.nat(5_000),
        fc.constantFrom('float', 'base64', undefined),
        fc.nat(20),
        (inputs, total, encoding, seed) => {
          const body = { model: 'asked', ...(encoding ? { encoding_format: encoding } : {}) };
          const calls = inputs.map((input) => testEmbeddingCall({ ...body, input }));
          const call = joined(calls);
          const parts = call.split(responseTo(call, total, encoding, seed)) ?? [];
          expect(parts).toHaveLength(calls.length);
          const sum = { usage: 0, prompt: 0, total: 0 };
          for (const [index, { result }] of parts.entries()) {
            const json: unknown = JSON.parse(result.text);
            const own = calls[index]?.embedding.inputs ?? [];
            const items = records(isRecord(json) ? json.data : []);
            expect(items.map((item) => item.index)).toEqual(own.map((_, place) => place));
            expect(items.map(({ embedding }) => numbersOf(embedding))).toEqual(own.map(vectorOf));
            const used = isRecord(json) && isRecord(json.usage) ? json.usage : {};
            expect(json).toMatchObject({ id: 'e', model: 'asked' });
            expect(Number(used.prompt_tokens)).toBe(result.usage?.inputTokens ?? -1);
            expect(used).not.toHaveProperty('cost');
            sum.usage += result.usage?.inputTokens ?? 0;
            sum.prompt += Number(used.prompt_tokens);
            sum.total += Number(used.total_tokens);
          }
          expect(sum).toEqual({ usage: total, prompt: total, total });
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('counts token ids, and estimates the parts of texts', () => {
    const ids = joined(
      [
        [1, 2, 3],
        [[4], [5, 6]],
      ].map((input) => testEmbeddingCall({ model: 'asked', input })),
    );
    const counted = ids.split(responseTo(ids, 6, 'float', 0)) ?? [];
    expect(counted.map(({ result, isEstimated }) => [result.usage?.inputTokens, isEstimated])).toEqual([
      [3, false],
      [3, false],
    ]);
    // The upstream adds tokens of its own.
    const added = ids.split(responseTo(ids, 10, 'float', 0)) ?? [];
    expect(added.map(({ isEstimated }) => isEstimated)).toEqual([true, true]);
    const words = joined(['ab', '日本'].map((input) => testEmbeddingCall({ model: 'asked', input })));
    const estimated = words.split(responseTo(words, 12, 'float', 0)) ?? [];
    expect(estimated.map(({ result, isEstimated }) => [result.usage?.inputTokens, isEstimated])).toEqual([
      [2, true],
      [10, true],
    ]);
  });

  test('is rendered in the form of each call where the adapter translates', () => {
    const calls = ['a', ['bb', 'c']].map((input) => testEmbeddingCall({ model: 'asked', input }));
    const call = joined(calls);
    const usage: Usage = { inputTokens: 8, raw: {} };
    const vectors = [[1], [2], [3]];
    const text = call.call.render({ vectors, usage });
    const parts = call.split(new CompleteResult(text, usage, undefined)) ?? [];
    expect(parts.map(({ result }) => JSON.parse(result.text))).toMatchObject([
      { data: [{ index: 0, embedding: [1] }], usage: { prompt_tokens: 2 } },
      {
        data: [
          { index: 0, embedding: [2] },
          { index: 1, embedding: [3] },
        ],
        usage: { prompt_tokens: 6 },
      },
    ]);
  });

  test('without one vector for each input is rejected', () => {
    const call = joined(['a', 'b'].map((input) => testEmbeddingCall({ model: 'asked', input })));
    const split = (data: unknown) =>
      call.split(new CompleteResult(JSON.stringify({ data }), undefined, undefined));
    expect(split([{ index: 0, embedding: [1] }])).toBeUndefined();
    expect(split([{ index: 0 }, { index: 0 }])).toBeUndefined();
    expect(split([{ index: 0 }, { index: 7 }])).toBeUndefined();
    expect(split([1, 2])).toBeUndefined();
    expect(split([{ embedding: [1] }, { embedding: [2] }])).toHaveLength(2);
  });
});

test('calls share a form only where all but their inputs agrees', () => {
  const form = (body: Readonly<Record<string, unknown>>) =>
    sharedForm(testEmbeddingCall({ model: 'asked', input: 'a', ...body }));
  expect(form({ input: ['b', 'c'] })).toBe(form({}));
  expect(form({ input: [[1], [2]] })).toBe(form({ input: [1, 2] }));
  const others = [
    { input: [1, 2] },
    { model: 'other' },
    { dimensions: 3 },
    { encoding_format: 'base64' },
    { user: 'u' },
    { input_type: 'query' },
    { brand_new: { a: 1 } },
  ];
  expect(new Set([{}, ...others].map(form)).size).toBe(others.length + 1);
  for (const input of [[], [{ text: 'a' }], ['a', 1], ['a', [1]], [[]], 7, null, [1.5]]) {
    expect([input, form({ input })]).toEqual([input, undefined]);
  }
});

function numbersOf(embedding: unknown): readonly unknown[] {
  if (typeof embedding !== 'string') return listOf(embedding);
  const bytes = Buffer.from(embedding, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
}
