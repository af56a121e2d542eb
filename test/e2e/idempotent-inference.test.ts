import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createGate } from '../support/gate.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status, truncatedStream } from '../support/scripts.ts';
import { hasRedis, sharedRedis } from '../support/services/redis.ts';
import { completion, mockConfig, streamed, streamPieces } from './harness.ts';

let mock: MockUpstream;
beforeAll(async () => {
  mock = await startMockUpstream();
});
afterAll(() => mock.close());

const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(env: Record<string, string> = {}, more: object = {}): Promise<InProcessGateway> {
  const config = mockConfig(mock.url, { routing: { retry: { attempts: 1 } }, ...more });
  const made = await gatewayInProcess({ config, env });
  closers.push(() => made.close());
  return made;
}

const chat = (content: string, more: object = {}) => ({
  ...{ model: 'chat', messages: [{ role: 'user', content }] },
  ...more,
});

function send(
  weir: InProcessGateway,
  idempotencyKey: string,
  body: object,
  { path = '/v1/chat/completions', key = weir.adminKey, headers = {} } = {},
): Promise<CallResult> {
  return weir.call('POST', path, { key, body, headers: { 'idempotency-key': idempotencyKey, ...headers } });
}

const isReplayed = ({ headers }: CallResult) => headers.get('idempotent-replayed');

describe('Idempotency-Key on inference', () => {
  let weir: InProcessGateway;
  let before = 0;
  beforeAll(async () => {
    weir = await start();
  });
  beforeEach(() => {
    mock.respondAlways(completion());
    before = mock.requests.length;
  });
  const upstreamRequests = () => mock.requests.length - before;

  test('a repeated request gets the same response, from one upstream request', async () => {
    const one = await send(weir, 'plain', chat('Hi'));
    const two = await send(weir, 'plain', chat('Hi'));
    expect([one.status, two.status, upstreamRequests()]).toEqual([200, 200, 1]);
    expect(two.text).toBe(one.text);
    expect([isReplayed(one), isReplayed(two)]).toEqual([null, 'true']);
    for (const name of ['content-type', 'x-weir-provider', 'x-weir-model', 'x-weir-latency-ms']) {
      expect(two.headers.get(name)).toBe(one.headers.get(name));
    }
    expect(two.headers.get('x-request-id')).not.toBe(one.headers.get('x-request-id'));
  });

  test('streams too, byte for byte', async () => {
    mock.respondAlways(streamed('Hel', 'lo ', 'wörld'));
    const one = await send(weir, 'stream', chat('Hi', { stream: true }));
    const two = await send(weir, 'stream', chat('Hi', { stream: true }));
    expect(upstreamRequests()).toBe(1);
    expect(two.text).toBe(one.text);
    expect(two.text).toContain('[DONE]');
    expect(two.headers.get('content-type')).toBe(one.headers.get('content-type'));
    expect(isReplayed(two)).toBe('true');
  });

  test('every endpoint: messages, embeddings, prompts', async () => {
    const asked: readonly [string, object][] = [
      ['/v1/messages', { ...chat('Hi'), max_tokens: 9 }],
      ['/inference', { model: 'chat', prompt: 'Hi' }],
    ];
    for (const [path, body] of asked) {
      const one = await send(weir, `key of ${path}`.replaceAll(' ', '-'), body, { path });
      const two = await send(weir, `key of ${path}`.replaceAll(' ', '-'), body, { path });
      expect([one.status, two.text, isReplayed(two)]).toEqual([200, one.text, 'true']);
    }
    mock.respondAlways(
      json({ object: 'list', data: [{ index: 0, embedding: [1] }], usage: { prompt_tokens: 1 } }),
    );
    const body = { model: 'chat', input: 'Hi' };
    const one = await send(weir, 'embedding', body, { path: '/v1/embeddings' });
    const two = await send(weir, 'embedding', body, { path: '/v1/embeddings' });
    expect([two.text, isReplayed(two)]).toEqual([one.text, 'true']);
  });

  test('another body with the same key is 422, and so is another endpoint', async () => {
    await send(weir, 'other', chat('Hi'));
    const changed = await send(weir, 'other', chat('Hello'));
    expect([changed.status, changed.body]).toMatchObject([
      422,
      { error: { code: 'idempotency_key_reused' } },
    ]);
    const moved = await send(weir, 'other', { ...chat('Hi'), max_tokens: 1 }, { path: '/v1/messages' });
    expect([moved.status, moved.body.type]).toEqual([422, 'error']);
    expect(upstreamRequests()).toBe(1);
  });

  test('a duplicate while the first one runs is 409, and then gets the response', async () => {
    const gate = createGate();
    mock.respondAlways(async () => {
      await gate.pass();
      return completion('Slow.');
    });
    const running = send(weir, 'running', chat('Hi'));
    await mock.waitForRequest(before + 1);
    const duplicate = await send(weir, 'running', chat('Hi'));
    expect([duplicate.status, duplicate.headers.get('retry-after')]).toEqual([409, '1']);
    gate.open();
    expect((await running).status).toBe(200);
    const repeated = await send(weir, 'running', chat('Hi'));
    expect([repeated.text.includes('Slow.'), upstreamRequests()]).toEqual([true, 1]);
  });

  test('a failed request is executed again: an error, a broken stream', async () => {
    mock.respondAlways(status(500, {}));
    expect((await send(weir, 'failed', chat('Hi'))).status).toBe(502);
    mock.respondAlways(completion());
    expect((await send(weir, 'failed', chat('Hi'))).status).toBe(200);
    mock.respondAlways(truncatedStream(streamPieces('Hel').slice(0, 1)));
    const broken = await send(weir, 'broken', chat('Hi', { stream: true }));
    expect(broken.text).toContain('upstream_closed');
    mock.respondAlways(streamed('Hello'));
    const again = await send(weir, 'broken', chat('Hi', { stream: true }));
    expect([again.text.includes('[DONE]'), isReplayed(again), upstreamRequests()]).toEqual([true, null, 4]);
  });

  test('keys belong to the tenant, whichever of its API keys is used', async () => {
    const created = async (path: string, body: object) =>
      (await weir.call('POST', `/admin/v1${path}`, { key: weir.adminKey, body })).body;
    await created('/tenants', { id: 'own', tier: null });
    const keyOf = async (tenant: string, scopes = {}) =>
      String((await created(`/tenants/${tenant}/keys`, { name: 'k', scopes })).key);
    await send(weir, 'tenant', chat('Hi'), { key: await keyOf('own') });
    const same = await send(weir, 'tenant', chat('Hi'), { key: await keyOf('own') });
    const other = await send(weir, 'tenant', chat('Hi'));
    expect([isReplayed(same), isReplayed(other), upstreamRequests()]).toEqual(['true', null, 2]);
    const denied = await send(weir, 'tenant', chat('Hi'), { key: await keyOf('own', { models: ['x'] }) });
    expect(denied.status).toBe(403);
  });

  test('the model in a path belongs to the request', async () => {
    mock.respondAlways(
      json({ id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'x', finish_reason: 'stop' }] }),
    );
    const at = (model: string) =>
      send(weir, 'path', { prompt: 'Hi' }, { path: `/v1/models/${model}/completions` });
    expect((await at('chat')).status).toBe(200);
    expect([(await at('mock/other')).status, isReplayed(await at('chat'))]).toEqual([422, 'true']);
  });

  test('a key for other models gets no stored response, also where the request names no model', async () => {
    const key = async (models?: string[]) => {
      const body = { name: 'k', ...(models && { scopes: { models } }) };
      const made = await weir.call('POST', '/admin/v1/tenants/own/keys', { key: weir.adminKey, body });
      return String(made.body.key);
    };
    const ask = async (of: string) =>
      send(weir, 'default', { prompt: 'Hi' }, { path: '/inference', key: of });
    expect((await ask(await key())).status).toBe(200);
    expect((await ask(await key(['other']))).status).toBe(422);
  });

  test('a response that is too long is executed once and not repeated', async () => {
    mock.respondAlways(completion('x'.repeat(1_100_000)));
    expect((await send(weir, 'long', chat('Hi'))).status).toBe(200);
    const repeated = await send(weir, 'long', chat('Hi'));
    expect([repeated.status, upstreamRequests()]).toEqual([409, 1]);
    expect(repeated.text).toContain('too long to be repeated');
  });

  test('a malformed key is 400', async () => {
    for (const key of ['has space', 'x'.repeat(256)]) {
      const { status: code, body } = await send(weir, key, chat('Hi'));
      expect([code, body]).toMatchObject([400, { error: { param: 'idempotency-key' } }]);
    }
    expect(upstreamRequests()).toBe(0);
  });

  test('usage counts the request once', async () => {
    const requestsOf = async () => {
      const page = await weir.gateway.metricsPage();
      return Number(/^llm_requests_total\{.*\} (\d+)$/m.exec(String(page.body))?.[1] ?? 0);
    };
    const counted = await requestsOf();
    await send(weir, 'usage', chat('Hi'));
    await send(weir, 'usage', chat('Hi'));
    expect((await requestsOf()) - counted).toBe(1);
  });
});

describe.skipIf(!hasRedis)('Idempotency-Key across gateways', () => {
  test('one upstream request for duplicates at two gateways at once', async () => {
    const env = { REDIS_URL: (await sharedRedis()).url, WEIR_SECRET: 'the secret of both gateways' };
    const more = { storage: { redis_prefix: 'idempotent' } };
    const gateways = [await start(env, more), await start(env, more)] as const;
    mock.respondAlways(streamed('once'));
    const before = mock.requests.length;
    const body = chat('Hi', { stream: true });
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, at) => send(gateways[at % 2 === 0 ? 0 : 1], 'shared', body)),
    );
    expect(mock.requests.length - before).toBe(1);
    expect(new Set(results.map((one) => one.status)).has(200)).toBe(true);
    const texts = new Set<string>();
    for (const gateway of gateways) texts.add((await send(gateway, 'shared', body)).text);
    expect([texts.size, mock.requests.length - before]).toEqual([1, 1]);
  }, 30_000);
});
