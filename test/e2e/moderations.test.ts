import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { json } from '../support/scripts.ts';
import { asObject } from './helpers/json.ts';
import { nextRequest, type Pair, startPair } from './helpers/pair.ts';

const KEY = 'sk-none-0123456789';
const MODEL = 'omni-moderation-latest';
const EMAIL = 'anna.schmidt@example.com';
let forwarding: Pair;
let alone: Pair;
beforeAll(async () => {
  [forwarding, alone] = await Promise.all([
    startPair((mock) => {
      const base = { discover: false, api_key: KEY };
      return {
        providers: [
          { id: 'openai', kind: 'openai', base_url: `${mock.url}/v1`, ...base },
          { id: 'mistral', kind: 'mistral', base_url: `${mock.url}/v1`, ...base },
          { id: 'vllm', kind: 'openai-compatible', engine: 'vllm', base_url: `${mock.url}/v1`, ...base },
        ],
        models: [{ id: 'safety', targets: [{ provider: 'mistral', model: 'mistral-moderation-latest' }] }],
        guardrails: [{ id: 'pii', kind: 'pii', action: 'redact' }],
      };
    }),
    startPair(() => ({
      moderation: { words: { hate: ['globglo'] } },
      guardrails: [{ id: 'pii', kind: 'pii', action: 'block' }],
    })),
  ]);
});
afterAll(async () => {
  const { unscripted } = forwarding.mock;
  await Promise.all([forwarding.stop(), alone.stop()]);
  expect(unscripted).toEqual([]);
});

const sdk = ({ gateway }: Pair, key = gateway.adminKey) =>
  new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });

const verdict = (flagged: boolean) => ({
  flagged,
  categories: { harassment: flagged, violence: false },
  category_scores: { harassment: flagged ? 0.9 : 0.01, violence: 0.001 },
  category_applied_input_types: { harassment: ['text'], violence: ['text', 'image'] },
});

describe('where an upstream classifies', () => {
  test('the SDK gets its verdict, and the upstream the body with its own members', async () => {
    const arrived = nextRequest(forwarding.mock);
    forwarding.mock.respond(json({ id: 'modr-1', model: 'omni-moderation-2024', results: [verdict(true)] }));
    const input = [
      { type: 'text' as const, text: 'Such an idiot.' },
      { type: 'image_url' as const, image_url: { url: 'https://example.com/a.png' } },
    ];
    const result = await sdk(forwarding).moderations.create({ model: MODEL, input });
    const sent = await arrived;
    expect(sent.path).toBe('/v1/moderations');
    expect(sent.json()).toEqual({ model: MODEL, input });
    expect(result.results[0]?.flagged).toBe(true);
    expect(result.results[0]?.category_scores.harassment).toBe(0.9);
  });

  test('requests without a model go to the usual one, and personal data is redacted before', async () => {
    const arrived = nextRequest(forwarding.mock);
    forwarding.mock.respond(json({ id: 'm', model: 'x', results: [verdict(false), verdict(false)] }));
    const response = await forwarding.post('/v1/moderations', { input: [`Write to ${EMAIL}.`, 'b'] });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-weir-provider')).toBe('openai');
    const sent = asObject((await arrived).json());
    expect(sent.model).toBe(MODEL);
    expect(sent.input).toEqual(['Write to [EMAIL].', 'b']);
  });

  test('verdicts without "flagged" get one from their categories', async () => {
    const results = [{ categories: { sexual: false, pii: true }, category_scores: { sexual: 0, pii: 0.8 } }];
    const arrived = nextRequest(forwarding.mock);
    forwarding.mock.respond(json({ id: 'm', model: 'mistral-moderation-2411', results }));
    const result = await sdk(forwarding).moderations.create({ model: 'safety', input: 'a' });
    expect(asObject((await arrived).json()).model).toBe('mistral-moderation-latest');
    expect(result.results[0]?.flagged).toBe(true);
  });

  test.each([
    ['no list', { id: 'm', model: 'x' }],
    ['fewer verdicts than inputs', { id: 'm', model: 'x', results: [] }],
    ['a verdict that is no object', { id: 'm', model: 'x', results: [null] }],
  ])('a response with %s is an error of the upstream', async (_, body) => {
    forwarding.mock.respondAlways(json(body));
    const response = await forwarding.post('/v1/moderations', { input: 'a' });
    expect(response.status).toBe(502);
    expect(asObject(asObject(await response.json()).error).code).toBe('upstream_invalid_response');
  });

  test('models that do not classify are rejected', async () => {
    const response = await forwarding.post('/v1/moderations', { model: 'vllm/qwen', input: 'a' });
    expect(response.status).toBe(400);
    expect(asObject(asObject(await response.json()).error).param).toBe('model');
  });
});

describe('where no upstream classifies', () => {
  test('the rules of the gateway do, and say so', async () => {
    const { data, response } = await sdk(alone)
      .moderations.create({ input: ['I will kill you', 'Good morning', 'such a globglo'] })
      .withResponse();
    expect(data.model).toBe('weir-moderation-1');
    expect(data.results.map(({ flagged }) => flagged)).toEqual([true, false, true]);
    expect(data.results[0]?.categories['harassment/threatening']).toBe(true);
    expect(data.results[2]?.categories.hate).toBe(true);
    expect(data.results[1]?.category_scores.violence).toBe(0);
    expect(Object.keys(data.results[0]?.categories ?? {})).toHaveLength(13);
    expect(response.headers.get('x-weir-provider')).toBe('moderation-rules');
    expect(response.headers.get('x-weir-model')).toBe('weir-moderation-1');
    expect(alone.mock.requests).toEqual([]);
  });

  test('images are not classified, which a warning says', async () => {
    const { data, response } = await sdk(alone)
      .moderations.create({
        model: MODEL,
        input: [
          { type: 'text', text: 'I will kill you' },
          { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
        ],
      })
      .withResponse();
    expect(data.results).toHaveLength(1);
    expect(data.results[0]?.category_applied_input_types.violence).toEqual(['text']);
    expect(response.headers.get('x-weir-warnings')).toContain('text only');
  });

  test('guardrails do not hold: nothing leaves the gateway', async () => {
    const { results } = await sdk(alone).moderations.create({ input: `Write to ${EMAIL}.` });
    expect(results[0]?.flagged).toBe(false);
  });

  test('unknown models are 404, and bodies without an input 400', async () => {
    const unknown = await alone.post('/v1/moderations', { model: 'no-such-model', input: 'a' });
    expect(unknown.status).toBe(404);
    for (const body of [{}, { input: [] }, { input: 7 }, { input: [{ type: 'audio' }] }]) {
      expect((await alone.post('/v1/moderations', body)).status).toBe(400);
    }
  });

  test('limits count the requests, and metrics name the rules', async () => {
    const created = await alone.post('/admin/v1/tenants/default/keys', {
      name: 'limited',
      limits: [{ of: 'requests', per: 'minute', max: 1 }],
    });
    const limited = sdk(alone, String(asObject(await created.json()).key));
    await limited.moderations.create({ input: 'a' });
    const refused = await limited.moderations.create({ input: 'a' }).then(
      () => undefined,
      (error: unknown) => (error instanceof OpenAI.APIError ? error.status : error),
    );
    expect(refused).toBe(429);
    const metrics = await (await alone.get('/metrics')).text();
    expect(metrics).toMatch(/llm_requests_total\{model="weir-moderation"[^}]*status="200"/);
  });
});
