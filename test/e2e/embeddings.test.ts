import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { json } from '../support/scripts.ts';
import { decodeFloats, encodeFloats } from './helpers/embedding-rules.ts';
import { asObject, type Json } from './helpers/json.ts';
import { nextRequest, type Pair, startPair } from './helpers/pair.ts';

/** Exact in 32 bits, so that both encodings hold the same numbers. */
const VECTORS = [
  [1, -2, 0.25, 0],
  [0.5, 1.5, -0.125, 3],
];
const MODEL = 'vendor/embed-small';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair((mock) => {
    const common = { base_url: `${mock.url}/v1`, discover: false };
    return {
      providers: [
        { id: 'up', kind: 'openai-compatible', ...common },
        { id: 'ollama', kind: 'openai-compatible', engine: 'ollama', ...common },
        { id: 'mistral', kind: 'mistral', api_key: 'sk-none-0123456789', ...common },
      ],
      models: [{ id: 'embed', targets: [{ provider: 'up', model: MODEL }] }],
    };
  });
});
afterAll(async () => {
  const { unscripted } = pair.mock;
  await pair.stop();
  expect(unscripted).toEqual([]);
});

function answerWith(embeddings: readonly unknown[]): Json {
  return {
    object: 'list',
    model: MODEL,
    data: embeddings.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    usage: { prompt_tokens: 4, total_tokens: 4 },
    x_vendor: { kept: true },
  };
}

const FLOATS = answerWith(VECTORS);
const BASE64 = answerWith(VECTORS.map(encodeFloats));

async function embed(request: Json, upstream: Json): Promise<{ answer: Json; sent: Json }> {
  const arrived = nextRequest(pair.mock);
  pair.mock.respond(json(upstream));
  const response = await pair.post('/v1/embeddings', request);
  expect(response.status).toBe(200);
  const answer = asObject(await response.json());
  const recorded = await arrived;
  expect(recorded.path).toBe('/v1/embeddings');
  return { answer, sent: asObject(recorded.json()) };
}

describe('inputs are forwarded unchanged', () => {
  test.each([
    ['a text', 'Größe 世界'],
    ['texts', ['one', 'two']],
    ['token ids', [1, 2, 30_000]],
    ['lists of token ids', [[1, 2], [30_000]]],
    ['a text and a list of token ids', ['one', [1, 2]]],
    ['token ids with texts between them', [1, 'one', 2]],
    ['lists of both', [[1, 'one', 2], 'two']],
    ['an object', { prompt_string: 'one', multimodal_data: ['AAAA'] }],
    ['objects and texts', [{ prompt_string: 'one' }, 'two']],
  ])('%s', async (_, input) => {
    const { answer, sent } = await embed({ model: 'embed', input }, FLOATS);
    expect(sent).toEqual({ model: MODEL, input });
    expect(answer).toEqual({ ...FLOATS, model: 'embed' });
  });

  test('dimensions and unknown fields', async () => {
    const request = { input: 'a', dimensions: 4, user: 'u1', input_type: 'query', truncate: 'END' };
    const { sent } = await embed({ model: 'embed', ...request }, FLOATS);
    expect(sent).toEqual({ model: MODEL, ...request });
  });

  test.each([
    ['an empty text', ''],
    ['an empty list', []],
    ['a list with an empty text', ['a', '']],
    ['token ids that are no whole numbers', [1.5]],
    ['an empty list among texts', ['a', []]],
    ['a truth value', [true]],
    ['nothing', undefined],
  ])('%s is refused here', async (_, input) => {
    const before = pair.mock.requests.length;
    const response = await pair.post('/v1/embeddings', { model: 'embed', input });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect(pair.mock.requests.length).toBe(before);
  });
});

describe('the encoding is the one that the client asked for, whatever the upstream returns', () => {
  const cases: readonly (readonly [string, Json, Json, Json])[] = [
    ['float from float', { encoding_format: 'float' }, FLOATS, FLOATS],
    ['float from base64', { encoding_format: 'float' }, BASE64, FLOATS],
    ['base64 from float', { encoding_format: 'base64' }, FLOATS, BASE64],
    ['base64 from base64', { encoding_format: 'base64' }, BASE64, BASE64],
    ['float by default, from float', {}, FLOATS, FLOATS],
    ['float by default, from base64', {}, BASE64, FLOATS],
  ];
  test.each(cases)('%s', async (_, asked, upstream, expected) => {
    const { answer, sent } = await embed({ model: 'embed', input: ['a', 'b'], ...asked }, upstream);
    expect(answer).toEqual({ ...expected, model: 'embed' });
    expect(sent).toEqual({ model: MODEL, input: ['a', 'b'], ...asked });
  });

  test('numbers that need more than 32 bits are rounded to the nearest that do not', async () => {
    const numbers = [0.1, -1e-7, 123456.789];
    const { answer } = await embed(
      { model: 'embed', input: 'a', encoding_format: 'base64' },
      answerWith([numbers]),
    );
    const [first] = Array.isArray(answer.data) ? answer.data : [];
    expect(decodeFloats(String(asObject(first).embedding))).toEqual(numbers.map(Math.fround));
  });

  test('an answer that needs no change keeps its spelling', async () => {
    const body = `{"object":"list", "model":"${MODEL}","data":[{"object":"embedding","index":0,"embedding":[1.0,-2E-1]}]}`;
    pair.mock.respond({ headers: { 'content-type': 'application/json' }, body });
    const response = await pair.post('/v1/embeddings', { model: 'embed', input: 'a' });
    expect(await response.text()).toBe(body.replace(MODEL, 'embed'));
  });
});

describe('vendors that return lists of numbers only are never asked for base64', () => {
  test.each(['ollama', 'mistral'])('%s', async (provider) => {
    const model = `${provider}/embed-small`;
    const { answer, sent } = await embed(
      { model, input: ['a', 'b'], encoding_format: 'base64', dimensions: 4 },
      FLOATS,
    );
    expect(sent).toEqual({
      model: 'embed-small',
      input: ['a', 'b'],
      encoding_format: 'float',
      dimensions: 4,
    });
    expect(answer).toEqual({ ...BASE64, model });
    const { data } = await embedWithClient(model);
    expect(data.map(({ embedding }) => embedding)).toEqual(VECTORS);
  });
});

function embedWithClient(model: string) {
  pair.mock.respond(json(FLOATS));
  return pair.gateway.openai().embeddings.create({ model, input: ['a', 'b'] });
}

describe('the official client', () => {
  test.each([
    ['numbers', FLOATS],
    ['base64', BASE64],
  ] as const)('reads right what comes as %s, asked for in either encoding', async (_, upstream) => {
    const client = pair.gateway.openai();
    for (const format of [undefined, 'float', 'base64'] as const) {
      pair.mock.respond(json(upstream));
      const { data } = await client.embeddings.create({
        model: 'embed',
        input: ['a', 'b'],
        ...(format === undefined ? {} : { encoding_format: format }),
      });
      const vectors = data.map(({ embedding }): unknown => embedding);
      // Asked for base64 by name, it hands the text on.
      expect(vectors).toEqual(format === 'base64' ? VECTORS.map(encodeFloats) : VECTORS);
    }
  });
});

test('a response without data is not forwarded', async () => {
  pair.mock.respond(json({ object: 'list', model: MODEL }));
  const response = await pair.post('/v1/embeddings', { model: 'embed', input: 'a' });
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ error: { code: 'upstream_invalid_response' } });
});
