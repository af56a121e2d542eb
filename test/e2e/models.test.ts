import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import { json } from '../support/scripts.ts';
import { completion } from './helpers/chunks.ts';
import { asObject } from './helpers/json.ts';
import { type Pair, startPair } from './helpers/pair.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair((mock) => ({
    providers: [
      { id: 'openai', kind: 'openai', base_url: `${mock.url}/v1`, api_key: 'sk-none', discover: false },
      { id: 'local', kind: 'openai-compatible', base_url: `${mock.url}/v1`, discover: false },
    ],
    models: [
      { id: 'mini', targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] },
      {
        id: 'two',
        targets: [
          { provider: 'openai', model: 'gpt-4o' },
          { provider: 'openai', model: 'gpt-4o-mini' },
        ],
      },
      {
        id: 'own',
        targets: [{ provider: 'local', model: 'our-tune' }],
        context_window: 6000,
        max_output_tokens: 500,
        capabilities: { tools: true, vision: false },
        price: { input: '0.10', output: '0.20', cached_input: '0.01' },
      },
      {
        id: 'small',
        targets: [{ provider: 'openai', model: 'gpt-4o' }],
        context_window: 4000,
        fallbacks: ['mini'],
      },
      { id: 'tiny', targets: [{ provider: 'openai', model: 'gpt-4o' }], context_window: 4000 },
    ],
  }));
});
afterAll(() => pair.stop());

async function model(id: string) {
  return asObject(await (await pair.get(`/v1/models/${id}`)).json());
}

describe('a model is listed', () => {
  test('with what the kept data knows', async () => {
    expect(await model('mini')).toMatchObject({
      object: 'model',
      owned_by: 'openai',
      context_window: 128_000,
      max_output_tokens: 16_384,
      capabilities: { tools: true, vision: true, reasoning: false },
      pricing: { currency: 'USD', unit: 'million_tokens', input: '0.15', output: '0.6', varies: false },
    });
  });

  test('with what the configuration says of it', async () => {
    expect(await model('own')).toMatchObject({
      context_window: 6000,
      max_output_tokens: 500,
      capabilities: { tools: true, vision: false },
      pricing: { input: '0.10', output: '0.20', cached_input: '0.01' },
    });
  });

  test('with what holds for all of its targets', async () => {
    expect(await model('two')).toMatchObject({ context_window: 128_000, pricing: { varies: true } });
  });

  test('without what is not known', async () => {
    const facts = await model('local/whatever');
    expect(Object.keys(facts).sort()).toEqual(['created', 'id', 'object', 'owned_by']);
  });

  test('in the list as alone', async () => {
    const list = asObject(await (await pair.get('/v1/models')).json());
    expect(list.data).toContainEqual(await model('own'));
  });
});

describe("Anthropic's SDK", () => {
  const client = () =>
    new Anthropic({ baseURL: pair.gateway.url, apiKey: pair.gateway.adminKey, maxRetries: 0 });

  test('looks a model up', async () => {
    expect(await client().models.retrieve('own')).toMatchObject({
      type: 'model',
      id: 'own',
      max_input_tokens: 6000,
      max_tokens: 500,
    });
  });

  test('reads all pages, forwards and backwards', async () => {
    const all: string[] = [];
    for await (const { id } of client().models.list({ limit: 2 })) all.push(id);
    expect(all.slice(0, 5)).toEqual(['mini', 'two', 'own', 'small', 'tiny']);
    const before = await client().models.list({ limit: 2, before_id: 'small' });
    expect(before.data.map(({ id }) => id)).toEqual(['two', 'own']);
    expect(before.has_more).toBe(true);
  });

  test('gets its own kind of error', async () => {
    const failure = await client()
      .models.retrieve('minni')
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Anthropic.NotFoundError);
    expect(String(failure)).toContain('Did you mean \\"mini\\"');
  });
});

describe('a conversation that is longer than the context window', () => {
  const messages = [{ role: 'user', content: ' word'.repeat(5_000) }];

  test('is refused before the provider is asked', async () => {
    const asked = pair.mock.requests.length;
    const response = await pair.post('/v1/chat/completions', { model: 'tiny', messages });
    expect(response.status).toBe(400);
    expect(asObject(asObject(await response.json()).error)).toMatchObject({
      code: 'context_length_exceeded',
      type: 'invalid_request_error',
      param: 'messages',
      message: expect.stringContaining('where 4000 is the most'),
    });
    expect(pair.mock.requests.length).toBe(asked);
  });

  test('goes to a fallback that has room', async () => {
    pair.mock.respond(json(completion()));
    const response = await pair.post('/v1/chat/completions', { model: 'small', messages });
    expect(response.status).toBe(200);
    expect(pair.mock.requests.at(-1)?.json()).toMatchObject({ model: 'gpt-4o-mini' });
  });
});
