import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { z } from 'zod';
import { runs } from '../../test/support/effort.ts';
import { createHarness, readEvents } from './test-support.ts';

const choice = z.looseObject({
  text: z.string(),
  index: z.int(),
  finish_reason: z.string().nullable(),
  logprobs: z.looseObject({ tokens: z.array(z.string()), text_offset: z.array(z.int()) }).nullable(),
});
const completion = z.looseObject({
  object: z.literal('text_completion'),
  choices: z.array(choice),
  usage: z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullish(),
});
const embeddings = z.looseObject({
  data: z.array(z.looseObject({ index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  usage: z.strictObject({ prompt_tokens: z.int(), total_tokens: z.int() }),
});
const ranking = z.looseObject({
  results: z.array(
    z.strictObject({ index: z.int(), relevance_score: z.number(), document: z.unknown().optional() }),
  ),
  usage: z.looseObject({ total_tokens: z.int() }),
});

async function send<S extends z.ZodType>(schema: S, path: string, body: object): Promise<z.output<S>> {
  const response = await createHarness().post(path, { model: 'simulator', ...body });
  expect(response.status).toBe(200);
  return schema.parse(await response.json());
}

async function refused(path: string, body: object): Promise<string> {
  const response = await createHarness().post(path, { model: 'simulator', ...body });
  expect(response.status).toBe(400);
  const { error } = z.object({ error: z.looseObject({ param: z.string() }) }).parse(await response.json());
  return error.param;
}

describe('completions', () => {
  const complete = (body: object) => send(completion, '/completions', body);

  test('have one answer for each prompt and each of n', async () => {
    const { choices, usage } = await complete({ prompt: ['one day', 'two'], n: 2, max_tokens: 5 });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 20 });
    expect(choices.every(({ finish_reason }) => finish_reason === 'length')).toBe(true);
  });

  test('are the same streamed and whole', async () => {
    const request = fc.record(
      {
        prompt: fc.oneof(
          fc.string(),
          fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
          fc.constant([1, 2]),
          fc.constant([[1], [2, 3]]),
        ),
        n: fc.integer({ min: 1, max: 2 }),
        echo: fc.boolean(),
        max_tokens: fc.nat(30),
        logprobs: fc.integer({ min: 0, max: 3 }),
        stop: fc.constantFrom('.', ['the']),
        seed: fc.integer(),
      },
      { requiredKeys: ['prompt'] },
    );
    await fc.assert(
      fc.asyncProperty(request, async (body) => {
        const whole = await complete(body);
        const streaming = {
          model: 'simulator',
          ...body,
          stream: true,
          stream_options: { include_usage: true },
        };
        const events = readEvents(await (await createHarness().post('/completions', streaming)).text());
        expect(events.pop()).toBe('[DONE]');
        const chunks = events.map((data) => completion.parse(JSON.parse(data)));
        const texts = whole.choices.map(() => '');
        const offsets: number[][] = whole.choices.map(() => []);
        for (const part of chunks.flatMap(({ choices }) => choices)) {
          texts[part.index] += part.text;
          offsets[part.index]?.push(...(part.logprobs?.text_offset ?? []));
          if (part.finish_reason !== null)
            expect(part.finish_reason).toBe(whole.choices[part.index]?.finish_reason ?? '');
        }
        expect(texts).toEqual(whole.choices.map(({ text }) => text));
        expect(offsets).toEqual(whole.choices.map(({ logprobs }) => logprobs?.text_offset ?? []));
        expect(chunks.at(-1)?.usage).toEqual(whole.usage);
      }),
      { numRuns: runs(100) },
    );
  });

  test('echo the prompt and place the tokens after it', async () => {
    const { choices } = await complete({ prompt: 'Once upon', echo: true, logprobs: 1 });
    const [first] = choices;
    expect(first?.text).toStartWith('Once upon');
    first?.logprobs?.tokens.forEach((token, index) => {
      expect(first.text.slice(first.logprobs?.text_offset[index]).startsWith(token)).toBe(true);
    });
  });

  test('refuse what makes no sense', async () => {
    expect(await refused('/completions', {})).toBe('prompt');
    expect(await refused('/completions', { prompt: { a: 1 } })).toBe('prompt');
    expect(await refused('/completions', { prompt: 'x', n: 3, best_of: 2 })).toBe('best_of');
    expect(await refused('/completions', { prompt: 'x', logprobs: 9 })).toBe('logprobs');
  });
});

describe('embeddings', () => {
  const embed = async (input: unknown, more = {}) => {
    const { data } = await send(embeddings, '/embeddings', { input, ...more });
    return data.map(({ embedding }) => (typeof embedding === 'string' ? decode(embedding) : embedding));
  };
  const decode = (text: string) => {
    const view = new DataView(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
    return Array.from({ length: view.byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
  };
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

  test('have length one, the right dimensions, and the same numbers in both encodings', async () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' });
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.option(fc.integer({ min: 1, max: 4096 }), { nil: undefined }),
        async (input, dimensions) => {
          const [floats = []] = await embed(input, { dimensions });
          expect(floats).toHaveLength(dimensions ?? 1536);
          expect(Math.sqrt(dot(floats, floats))).toBeCloseTo(1, 5);
          expect(await embed(input, { dimensions, encoding_format: 'base64' })).toEqual([floats]);
        },
      ),
      { numRuns: runs(60) },
    );
  });

  test('are nearer for texts that share words', async () => {
    const [a = [], b = [], c = [], again = []] = await embed([
      'The river floods the old town',
      'Old towns fear a flooding river',
      'Compilers parse strict grammars',
      'The river floods the old town',
    ]);
    expect(again).toEqual(a);
    expect(dot(a, b)).toBeGreaterThan(0.35);
    expect(Math.abs(dot(a, c))).toBeLessThan(0.2);
  });

  test('take texts and tokens, alone and many, and count them', async () => {
    expect(await embed(['a b', 'c'])).toHaveLength(2);
    expect(await embed([1, 2, 3])).toHaveLength(1);
    expect(await embed([[1, 2], [3]])).toHaveLength(2);
    const { usage } = await send(embeddings, '/embeddings', { input: [[1, 2], [3]] });
    expect(usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
  });

  test.each([
    ['dimensions', { input: 'x', dimensions: 0 }],
    ['dimensions', { input: 'x', dimensions: 4097 }],
    ['encoding_format', { input: 'x', encoding_format: 'hex' }],
    ['input', {}],
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: ['x', 3] }],
    ['input', { input: Array.from({ length: 2049 }, () => 'x') }],
    ['input', { input: 'x '.repeat(8193) }],
    ['input', { input: Array.from({ length: 2000 }, () => 'x'), dimensions: 4096 }],
  ])('refuse a bad %s', async (param, body) => {
    expect(await refused('/embeddings', body)).toStartWith(param);
  });
});

describe('rerank', () => {
  const documents = ['Berlin is in Germany', { text: 'Paris is the capital of France' }, 'France has rivers'];
  const rank = (more = {}) => send(ranking, '/rerank', { query: 'capital of France', documents, ...more });

  test('puts the documents that share words with the query first', async () => {
    const { results, usage } = await rank();
    expect(results.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(results[0]?.relevance_score).toBeGreaterThan(0.8);
    expect(results[2]?.relevance_score).toBe(0);
    expect(usage.total_tokens).toBe(3 * 3 + 4 + 6 + 3);
    expect(results[0]).not.toHaveProperty('document');
  });

  test('returns the best, and the documents on request', async () => {
    const { results } = await rank({ top_n: 1, return_documents: true });
    expect(results).toEqual([
      { index: 1, relevance_score: expect.any(Number), document: { text: 'Paris is the capital of France' } },
    ]);
  });

  test('refuses what makes no sense', async () => {
    expect(await refused('/rerank', { query: 'x' })).toBe('documents');
    expect(await refused('/rerank', { query: 'x', documents: [3] })).toBe('documents[0]');
    expect(await refused('/rerank', { documents: ['x'] })).toBe('query');
    expect(await refused('/rerank', { query: 'x', documents: ['x'], top_n: 0 })).toBe('top_n');
  });
});
