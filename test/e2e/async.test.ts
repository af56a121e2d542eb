import { afterAll, beforeAll, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';

let gateway: InProcessGateway;
let key: string;

beforeAll(async () => {
  gateway = await gatewayInProcess();
  key = await keyOf({});
});
afterAll(() => gateway?.close());

async function keyOf(scopes: Readonly<Record<string, unknown>>): Promise<string> {
  const tenant = 'acme';
  await gateway.call('POST', '/admin/v1/tenants', {
    key: gateway.adminKey,
    body: { id: tenant, name: tenant },
  });
  const made = await gateway.call('POST', `/admin/v1/tenants/${tenant}/keys`, {
    ...{ key: gateway.adminKey, body: { name: 'k', scopes } },
  });
  expect(made.status).toBe(201);
  return String(made.body.key);
}

const queue = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}, by = key) =>
  gateway.call('POST', path, { key: by, body, headers: { prefer: 'respond-async, wait=5', ...headers } });

async function ended(location: string, by = key) {
  for (;;) {
    const found = await gateway.call('GET', location, { key: by });
    if (found.body.status !== 'pending' && found.body.status !== 'running') return found;
    expect(found.headers.get('retry-after')).toBe('1');
    await new Promise(setImmediate);
  }
}

const messages = [{ role: 'user', content: 'Hi' }];

test.each([
  ['/v1/chat/completions', { model: 'simulator', messages }, 'chat.completion'],
  ['/v1/completions', { model: 'simulator', prompt: 'Hi' }, 'text_completion'],
  ['/v1/responses', { model: 'simulator', input: 'Hi' }, 'response'],
  ['/v1/messages', { model: 'simulator', max_tokens: 9, messages }, '"type":"message"'],
  ['/v1/embeddings', { model: 'simulator', input: 'Hi' }, 'list'],
  ['/v1/rerank', { model: 'simulator', query: 'a', documents: ['a', 'b'] }, 'results'],
])('%s queues a request and keeps its response', async (path, body, part) => {
  const accepted = await queue(path, body);
  expect(accepted.status).toBe(202);
  expect(accepted.headers.get('preference-applied')).toBe('respond-async');
  expect(accepted.headers.get('retry-after')).toBe('1');
  const location = accepted.headers.get('location') ?? '';
  expect(location).toMatch(/^\/v1\/async\/async_[0-9a-f]{32}$/);
  const done = await ended(location);
  expect(done.body).toMatchObject({
    ...{ object: 'async', status: 'succeeded', endpoint: path, model: 'simulator' },
    response: { status_code: 200, headers: { 'content-type': 'application/json' } },
  });
  expect(done.text).toContain(part);
});

test('a wrong request is rejected at once, and so is a stream', async () => {
  const path = '/v1/chat/completions';
  expect((await queue(path, { model: 'simulator' })).status).toBe(400);
  expect((await queue(path, { model: 'none', messages })).status).toBe(404);
  expect((await queue(path, { model: 'simulator', messages }, {}, 'wr-wrong')).status).toBe(401);
  expect((await queue(path, { model: 'simulator', messages }, { 'x-weir-timeout': 'x' })).status).toBe(400);
  const stream = await queue(path, { model: 'simulator', messages, stream: true });
  expect([stream.status, stream.text]).toEqual([400, expect.stringContaining('respond-async')]);
});

test('the key that queued it sees it, and no key that may do less', async () => {
  const own = await keyOf({ endpoints: ['/v1/embeddings'], models: ['simulator'] });
  const accepted = await queue('/v1/embeddings', { model: 'simulator', input: 'Hi' }, {}, own);
  const location = accepted.headers.get('location') ?? '';
  expect((await ended(location, own)).body.status).toBe('succeeded');
  expect((await gateway.call('GET', location, { key })).status).toBe(200);
  for (const scopes of [{ endpoints: ['/v1/completions'] }, { models: ['other'] }]) {
    const other = await keyOf(scopes);
    expect((await gateway.call('GET', location, { key: other })).status).toBe(404);
    expect((await gateway.call('DELETE', location, { key: other })).status).toBe(404);
  }
  const deleted = await gateway.call('DELETE', location, { key: own });
  expect(deleted.body).toMatchObject({ status: 'succeeded', response: null });
  expect((await gateway.call('GET', location, { key: own })).body.response).toBeNull();
});

test('repetitions with an idempotency key are the same request', async () => {
  const body = { model: 'simulator', input: 'once' };
  const send = (given: unknown) => queue('/v1/embeddings', given, { 'idempotency-key': 'k1' });
  const first = await send(body);
  expect((await send(body)).headers.get('location')).toBe(first.headers.get('location'));
  expect((await send({ ...body, input: 'other' })).body).toMatchObject({
    error: { code: 'idempotency_key_reused' },
  });
});
