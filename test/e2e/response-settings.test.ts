import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { isRecord } from '../../src/core/json.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json } from '../support/scripts.ts';
import { completion, provider } from './harness.ts';

let mock: MockUpstream;
let weir: InProcessGateway;
let tenantKey = '';
let keyOf: (scopes: object) => Promise<string>;

beforeAll(async () => {
  mock = await startMockUpstream();
  const targets = [{ provider: 'mock', model: 'up' }];
  const price = { input: '10', output: '30' };
  weir = await gatewayInProcess({
    config: {
      routing: { retry: { attempts: 1 } },
      providers: [
        provider({ id: 'mock', url: mock.url }),
        { id: 'claude', kind: 'anthropic', base_url: `${mock.url}`, api_key: 'k', discover: false },
        { ...provider({ id: 'answers', url: mock.url }), api: 'responses' },
      ],
      models: [
        { id: 'plain', targets, price },
        { id: 'free', targets, price: { input: 0, output: 0 } },
        { id: 'unpriced', targets },
        { id: 'short', targets, max_output_tokens: 50 },
        { id: 'strict', targets, max_output_tokens: 50, strict: true },
        { id: 'told', targets, price, response_metadata: true },
        {
          id: 'claude',
          targets: [{ provider: 'claude', model: 'claude-sonnet-4-5' }],
          max_output_tokens: 50,
        },
        { id: 'answers', targets: [{ provider: 'answers', model: 'gpt-5' }], max_output_tokens: 50 },
      ],
    },
  });
  const created = async (path: string, body: object) => {
    const result = await weir.call('POST', `/admin/v1${path}`, { key: weir.adminKey, body });
    if (result.status !== 201) throw new Error(result.text);
    return result.body;
  };
  await created('/tenants', { id: 'own', tier: null });
  keyOf = async (scopes) => String((await created('/tenants/own/keys', { name: 'k', scopes })).key);
  tenantKey = await keyOf({});
});
afterAll(async () => {
  await weir.close();
  await mock.close();
});
beforeEach(() => mock.respondAlways(completion('Hi.', 'up')));

interface Sent extends CallResult {
  readonly upstream: Readonly<Record<string, unknown>>;
}

async function send(path: string, body: object, key = weir.adminKey, headers = {}): Promise<Sent> {
  const before = mock.requests.length;
  const result = await weir.call('POST', path, { key, body, headers });
  const upstream: unknown = mock.requests.length > before ? mock.requests.at(-1)?.json() : {};
  return { ...result, upstream: isRecord(upstream) ? upstream : {} };
}

const chat = (model: string, more: object = {}) => ({
  ...{ model, messages: [{ role: 'user', content: 'Hi' }] },
  ...more,
});
const limitsIn = ({ upstream }: Sent) =>
  Object.fromEntries(Object.entries(upstream).filter(([name]) => /max|predict/.test(name)));

describe('the limit of output tokens of a model', () => {
  const cases: readonly [string, object, object, boolean][] = [
    ['none is asked for: it is added', {}, { max_tokens: 50 }, false],
    ['less is asked for: it stays', { max_tokens: 20 }, { max_tokens: 20 }, false],
    ['more is asked for', { max_tokens: 500 }, { max_tokens: 50 }, true],
    ['more, by its newer name', { max_completion_tokens: 500 }, { max_completion_tokens: 50 }, true],
    [
      'more, by a name of an engine',
      { max_tokens: 10, n_predict: 99 },
      { max_tokens: 10, n_predict: 50 },
      true,
    ],
    [
      'none at all, in an engine’s words',
      { max_tokens: 10, n_predict: -1 },
      { max_tokens: 10, n_predict: 50 },
      false,
    ],
  ];
  for (const [name, asked, forwarded, warns] of cases) {
    test(`chat: ${name}`, async () => {
      const sent = await send('/v1/chat/completions', chat('short', asked));
      expect(sent.status).toBe(200);
      expect(limitsIn(sent)).toEqual({ ...forwarded });
      const warning = sent.headers.get('x-weir-warnings');
      if (warns) expect(warning).toContain('the model allows 50');
      else expect(warning).toBeNull();
    });
  }

  test('legacy completions', async () => {
    mock.respondAlways(
      json({ id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'x', finish_reason: 'stop' }] }),
    );
    const sent = await send('/v1/completions', { model: 'short', prompt: 'Hi', max_tokens: 60 });
    expect(limitsIn(sent)).toEqual({ max_tokens: 50 });
  });

  test('messages, with their budget for thinking', async () => {
    const thinking = { type: 'enabled', budget_tokens: 4_000 };
    const sent = await send('/v1/messages', chat('claude', { max_tokens: 8_000, thinking }));
    expect(sent.upstream).toMatchObject({ max_tokens: 50, thinking: { budget_tokens: 49 } });
  });

  test('messages to a target in another format', async () => {
    const sent = await send('/v1/messages', chat('short', { max_tokens: 8_000 }));
    expect(limitsIn(sent)).toEqual({ max_tokens: 50 });
    expect(sent.headers.get('x-weir-warnings')).toContain('8000 output tokens were asked for');
  });

  test('responses', async () => {
    const sent = await send('/v1/responses', { model: 'answers', input: 'Hi', store: false });
    expect(limitsIn(sent)).toEqual({ max_output_tokens: 50 });
  });

  test('prompts', async () => {
    const sent = await send('/inference', { model: 'short', prompt: 'Hi', max_tokens: 99 });
    expect(limitsIn(sent)).toEqual({ max_tokens: 50 });
  });

  test('strict: more is rejected, with the model’s setting or the header', async () => {
    const { status, text, upstream } = await send('/v1/chat/completions', chat('strict', { max_tokens: 51 }));
    expect({ status, upstream }).toEqual({ status: 400, upstream: {} });
    expect(text).toContain('asks for up to 51 output tokens; the model allows 50');
    const headers = { 'x-weir-strict': 'true' };
    const own = await send('/v1/chat/completions', chat('short', { max_tokens: 51 }), weir.adminKey, headers);
    expect(own.status).toBe(400);
    const none = await send('/v1/chat/completions', chat('strict'));
    expect([none.status, limitsIn(none)]).toEqual([200, { max_tokens: 50 }]);
  });
});

test('a limit of the key, of the tenant: the smallest holds', async () => {
  const key = await keyOf({ max_output_tokens: 30 });
  const limited = async (one: string, model = 'short') => {
    const sent = await send('/v1/chat/completions', chat(model, { max_tokens: 500 }), one);
    return [limitsIn(sent).max_tokens, sent.headers.get('x-weir-warnings')?.match(/; (.*) allows/)?.[1]];
  };
  expect(await limited(key)).toEqual([30, 'the API key']);
  expect(await limited(tenantKey, 'plain')).toEqual([500, undefined]);
  const change = (max_output_tokens: number | null) =>
    weir.call('PATCH', '/admin/v1/tenants/own', { key: weir.adminKey, body: { max_output_tokens } });
  expect((await change(20)).body.max_output_tokens).toBe(20);
  expect(await limited(key)).toEqual([20, 'the tenant']);
  expect(await limited(tenantKey, 'plain')).toEqual([20, 'the tenant']);
  expect((await change(null)).body.max_output_tokens).toBeNull();
  expect(await limited(tenantKey, 'plain')).toEqual([500, undefined]);
});

describe('latency and cost', () => {
  test('in headers: always, and the cost where a price is known', async () => {
    const costOf = async (model: string) => {
      const { headers } = await send('/v1/chat/completions', chat(model));
      expect(headers.get('x-weir-latency-ms')).toMatch(/^\d+$/);
      return headers.get('x-weir-cost');
    };
    expect(await costOf('plain')).toBe('0.00009');
    expect(await costOf('free')).toBe('0');
    expect(await costOf('unpriced')).toBeNull();
  });

  test('in the body when asked, and nowhere else', async () => {
    const metadataOf = async (model: string, headers = {}, path = '/v1/chat/completions', body?: object) => {
      const sent = await send(path, body ?? chat(model), weir.adminKey, headers);
      return sent.body.metadata;
    };
    const asked = { 'x-weir-metadata': '1' };
    const metadata = { latency_ms: expect.any(Number), model: 'up', cost_usd: 0.00009 };
    expect(await metadataOf('plain')).toBeUndefined();
    expect(await metadataOf('plain', asked)).toEqual(metadata);
    expect(await metadataOf('told')).toEqual(metadata);
    expect(await metadataOf('free', asked)).toEqual({ ...metadata, cost_usd: 0 });
    expect(await metadataOf('unpriced', asked)).toEqual({ ...metadata, cost_usd: null });
    const prompt = { model: 'plain', prompt: 'Hi' };
    expect(await metadataOf('plain', asked, '/inference', prompt)).toEqual(metadata);
    const plain = await send('/inference', prompt, weir.adminKey, { ...asked, accept: 'text/plain' });
    expect(plain.text).toBe('Hi.');
    // OpenAI's Responses have a `metadata` of the client's own.
    const response = { model: 'plain', input: 'Hi', store: false, metadata: { mine: 'x' } };
    expect(await metadataOf('plain', asked, '/v1/responses', response)).toEqual({ mine: 'x' });
  });

  test('in the body of every response of a tenant that wants it', async () => {
    const change = (response_metadata: boolean) =>
      weir.call('PATCH', '/admin/v1/tenants/own', { key: weir.adminKey, body: { response_metadata } });
    expect((await change(true)).body.response_metadata).toBe(true);
    const { body } = await send('/v1/chat/completions', chat('plain'), tenantKey);
    expect(body.metadata).toMatchObject({ model: 'up' });
    expect((await change(false)).body.response_metadata).toBe(false);
    expect((await send('/v1/chat/completions', chat('plain'), tenantKey)).body.metadata).toBeUndefined();
  });
});
