import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { chat, completion, expectError, mockConfig, post, provider, streamed } from './harness.ts';

/** Who asks whom again: signals of vendors that clients get, and the gateway's own retries. */

let mock: MockUpstream;
let other: MockUpstream;
let gateway: Gateway;
const RETRY = { attempts: 3, base: '1ms', max: '2ms', budget: 1 };

beforeAll(async () => {
  [mock, other] = await Promise.all([startMockUpstream(), startMockUpstream()]);
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      providers: [
        provider({ id: 'mock', url: mock.url }),
        provider({ id: 'other', url: other.url }),
        { id: 'claude', kind: 'anthropic', base_url: mock.url, api_key: 'k', discover: false },
      ],
      models: [
        { id: 'chat', targets: [{ provider: 'mock', model: 'upstream-chat' }] },
        { id: 'opus', targets: [{ provider: 'claude', model: 'claude-opus' }] },
        {
          id: 'two',
          strategy: 'weighted',
          targets: [
            { provider: 'mock', model: 'first', tier: 0 },
            { provider: 'other', model: 'second', tier: 1 },
          ],
        },
        {
          id: 'claude-first',
          targets: [
            { provider: 'claude', model: 'claude-first', tier: 0 },
            { provider: 'other', model: 'second', tier: 1 },
          ],
        },
        { id: 'alone', targets: [{ provider: 'mock', model: 'alone' }] },
        { id: 'embed', targets: [{ provider: 'mock', model: 'multi' }] },
      ],
      routing: {
        retry: RETRY,
        breaker: { failures: 4 },
        cool_down: { max: '0s' },
        health: { interval: null },
      },
    }),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await Promise.all([mock?.close(), other?.close()]);
});

let before = 0;
beforeEach(() => {
  before = mock.requests.length;
});
const sent = () => mock.requests.length - before;

const UNIFIED = {
  'anthropic-ratelimit-unified-status': 'rejected',
  'anthropic-ratelimit-unified-reset': '1764460800',
  'anthropic-ratelimit-unified-5h-utilization': '1.02',
};
const limited = { type: 'error', error: { type: 'rate_limit_error', message: 'Usage limit reached.' } };

describe('a 429 that forbids retries', () => {
  test.each([
    ['/v1/messages', 'opus', { max_tokens: 5 }],
    ['/v1/chat/completions', 'opus', {}],
    ['/v1/chat/completions', 'chat', {}],
  ])('reaches the client of %s with its headers, after one attempt at %s', async (path, model, more) => {
    const headers = { 'x-should-retry': 'false', ...UNIFIED, 'x-ratelimit-remaining-requests': '0' };
    mock.respond(status(429, limited, headers));
    const response = await post(gateway, chat({ model, ...more }), { path });
    expect(response.status).toBe(429);
    for (const [name, value] of Object.entries(headers)) {
      expect([name, response.headers.get(name)]).toEqual([name, value]);
    }
    expect(response.headers.get('retry-after')).toBeNull();
    expect(sent()).toBe(1);
  });

  test('still lets another target respond', async () => {
    mock.respond(status(429, limited, { 'x-should-retry': 'false' }));
    other.respond(completion('From the other.'));
    const response = await post(gateway, chat({ model: 'two' }));
    expect([response.status, response.headers.get('x-weir-provider')]).toEqual([200, 'other']);
    expect(sent()).toBe(1);
  });

  test('is not repeated in the rounds of the other target', async () => {
    mock.respond(status(500, limited, { 'x-should-retry': 'false' }));
    for (let count = 0; count < 2; count += 1) other.respond(status(500, { error: { message: 'broken' } }));
    const response = await post(gateway, chat({ model: 'two' }));
    expect(response.status).toBe(502);
    expect(sent()).toBe(1);
  });
});

test('an account without credit is not asked again', async () => {
  const error = {
    message: 'You exceeded your current quota.',
    type: 'insufficient_quota',
    code: 'insufficient_quota',
  };
  mock.respond(status(429, { error }));
  other.respond(completion('From the other.'));
  expect((await post(gateway, chat({ model: 'two' }))).headers.get('x-weir-provider')).toBe('other');
  mock.respond(status(429, { error }));
  await expectError(await post(gateway, chat()), 429, 'insufficient_quota');
  expect(sent()).toBe(2);
});

test.each(['two', 'claude-first'])(
  'a 402 lets another target of %s respond, and keeps its status',
  async (model) => {
    const error = { type: 'billing_error', message: 'Insufficient balance.' };
    mock.respond(status(402, { type: 'error', error }));
    other.respond(completion('From the other.'));
    const path = '/v1/chat/completions';
    expect((await post(gateway, chat({ model }), { path })).headers.get('x-weir-provider')).toBe('other');
    mock.respond(status(402, { type: 'error', error }));
    const alone = await post(gateway, chat());
    expect([alone.status, alone.headers.get('retry-after')]).toEqual([402, null]);
    expect(await alone.json()).toMatchObject({ error: { message: 'Insufficient balance.' } });
    expect(sent()).toBe(2);
  },
);

test("a vendor's limits reach the client also beside an error that may be retried", async () => {
  const headers = { 'retry-after-ms': '1', 'x-ratelimit-reset-tokens': '6m0s', 'x-should-retry': 'true' };
  for (let count = 0; count < 3; count += 1) mock.respond(status(500, { error: { message: 'no' } }, headers));
  const response = await post(gateway, chat());
  expect(response.status).toBe(502);
  expect(Object.fromEntries(response.headers)).toMatchObject(headers);
  expect(sent()).toBe(3);
});

test('headers whose names the gateway uses itself are not the vendor’s', async () => {
  const headers = { 'x-ratelimit-limit': '7', 'x-weir-provider': 'forged', 'set-cookie': 'a=b' };
  mock.respond(status(400, { error: { message: 'no' } }, headers));
  const response = await post(gateway, chat());
  expect(response.headers.get('x-ratelimit-limit')).toBeNull();
  expect(response.headers.get('x-weir-provider')).toBe('mock');
  expect(response.headers.get('set-cookie')).toBeNull();
});

test("a vendor's limits reach the client beside responses, plain and streamed", async () => {
  const headers = { ...UNIFIED, 'x-ratelimit-remaining-tokens': '149984', 'x-should-retry': 'true' };
  const message = { ...{ id: 'm', type: 'message', role: 'assistant', model: 'up', content: [] } };
  const whole = { ...message, stop_reason: 'end_turn', usage: { input_tokens: 1, output_tokens: 1 } };
  mock.respond(json(whole, { headers }));
  const plain = await post(gateway, chat({ model: 'opus', max_tokens: 5 }), { path: '/v1/messages' });
  mock.respond({ ...streamed('Hi'), headers: { 'content-type': 'text/event-stream', ...headers } });
  const stream = await post(gateway, chat({ stream: true }));
  await stream.text();
  for (const response of [plain, stream]) {
    expect(response.status).toBe(200);
    expect(response.headers.get('anthropic-ratelimit-unified-5h-utilization')).toBe('1.02');
    expect(response.headers.get('x-ratelimit-remaining-tokens')).toBe('149984');
    expect(response.headers.get('x-should-retry')).toBeNull();
  }
});

describe('an operation that an engine lacks', () => {
  const lacking = status(501, {
    error: { code: 501, message: 'This server does not support embeddings.', type: 'not_supported_error' },
  });
  const embed = () =>
    post(gateway, JSON.stringify({ model: 'embed', input: 'x' }), { path: '/v1/embeddings' });

  test('is asked for once, and leaves the target to others', async () => {
    for (let count = 0; count < 6; count += 1) {
      mock.respond(lacking);
      const error = await expectError(await embed(), 400, 'unsupported_by_target');
      expect(error.message).toContain('does not support embeddings');
    }
    expect(sent()).toBe(6);
    mock.respond(completion());
    expect((await post(gateway, chat({ model: 'embed' }))).status).toBe(200);
  });

  test('and that fails opens no circuit breaker of chats', async () => {
    for (let count = 0; count < 4; count += 1) mock.respond(status(500, { error: { message: 'broken' } }));
    await embed();
    await embed();
    expect((await embed()).status).toBe(503);
    mock.respond(completion());
    expect((await post(gateway, chat({ model: 'embed' }))).status).toBe(200);
    const states = await fetch(`${gateway.url}/admin/v1/targets`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    expect(await states.json()).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({ model: 'multi', available: true, open_operations: ['embedding'] }),
      ]),
    });
  });
});

test('an image for a text-only model goes to the next target', async () => {
  const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }];
  mock.respond(status(500, { error: { code: 500, message: 'image input is not supported - hint: mmproj' } }));
  other.respond(completion('A picture.'));
  const response = await post(gateway, chat({ model: 'two', messages: [{ role: 'user', content }] }));
  expect(response.status).toBe(200);
  expect(sent()).toBe(1);
});

test('a request that opens the breaker of its only target is answered at once', async () => {
  const broken = json({ error: { message: 'broken' } }, { status: 500 });
  for (let count = 0; count < 4; count += 1) mock.respond(broken);
  const ask = async () => {
    const began = performance.now();
    const response = await post(gateway, chat({ model: 'alone' }));
    await response.text();
    return { status: response.status, ms: performance.now() - began };
  };
  expect((await ask()).status).toBe(502);
  // The fourth failure opens the breaker for 30 s; a retry would wait that long.
  const second = await ask();
  expect(second.status).toBe(502);
  expect(second.ms).toBeLessThan(5_000);
  expect((await ask()).status).toBe(503);
  expect(sent()).toBe(4);
});
