import { afterEach, expect, test } from 'bun:test';
import {
  type CacheGateway,
  type CacheGatewayOptions,
  chatOf,
  startCacheGateway,
} from '../support/cache-gateway.ts';
import { settle } from '../support/fake-clock.ts';
import { chatAnswer, chatEvent } from '../support/inference.ts';
import { eventStream, json, status } from '../support/scripts.ts';

let running: CacheGateway | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(options?: CacheGatewayOptions): Promise<CacheGateway> {
  running = await startCacheGateway(options);
  return running;
}

const cacheOf = ({ headers }: { readonly headers: Headers }) => headers.get('x-weir-cache');

const COMPLETION = {
  ...{ id: 'c', object: 'text_completion', created: 1, model: 'up' },
  choices: [{ index: 0, text: 'legacy', finish_reason: 'stop' }],
};

test('legacy completions, rerank and text2sql are cached', async () => {
  const { post, mock } = await start();
  mock.when(({ target }) => target === '/v1/completions', json(COMPLETION));
  const sql = [{ role: 'user', content: 'count users' }];
  const requests: [path: string, body: unknown][] = [
    ['/v1/completions', { model: 'chat', prompt: 'hi' }],
    ['/v1/rerank', { model: 'simulator-rerank', query: 'q', documents: ['a', 'b'] }],
    ['/v1/text2sql', { model: 'simulator', messages: sql, schema: 'CREATE TABLE users (id INT)' }],
  ];
  for (const [path, body] of requests) {
    const first = await post(path, body);
    const second = await post(path, body);
    expect([path, first.status, cacheOf(first), cacheOf(second)]).toEqual([path, 200, 'miss', 'hit']);
    expect(second.text).toBe(first.text);
  }
});

test('a request controls the cache with headers', async () => {
  const { post, mock } = await start();
  const send = async (headers: Record<string, string>, text = 'hi') => {
    const response = await post('/v1/chat/completions', chatOf(text), headers);
    return [
      response.status,
      cacheOf(response),
      response.body.choices ? /answer \d/.exec(response.text)?.[0] : undefined,
    ];
  };
  const missed = await post('/v1/chat/completions', chatOf('hi'), { 'x-weir-cache': 'only' });
  expect([missed.status, Object(missed.body.error).code]).toEqual([412, 'cache_miss']);
  expect(await send({ 'cache-control': 'only-if-cached' })).toEqual([412, null, undefined]);
  expect(mock.requests).toHaveLength(0);
  expect(await send({})).toEqual([200, 'miss', 'answer 1']);
  expect(await send({ 'x-weir-cache': 'only' })).toEqual([200, 'hit', 'answer 1']);
  expect(await send({ 'x-weir-cache': 'bypass' })).toEqual([200, 'bypass', 'answer 2']);
  expect(await send({ 'cache-control': 'no-store' })).toEqual([200, 'bypass', 'answer 3']);
  expect(await send({})).toEqual([200, 'hit', 'answer 1']);
  expect(await send({ 'x-weir-cache': 'refresh' })).toEqual([200, 'miss', 'answer 4']);
  expect(await send({})).toEqual([200, 'hit', 'answer 4']);
  expect(await send({ 'cache-control': 'no-cache' })).toEqual([200, 'miss', 'answer 5']);
  expect(await send({ 'x-weir-cache-namespace': 'eu' })).toEqual([200, 'miss', 'answer 6']);
  expect(await send({ 'x-weir-cache-namespace': 'eu' })).toEqual([200, 'hit', 'answer 6']);
  for (const [name, value] of [
    ['x-weir-cache', 'often'],
    ['x-weir-cache-ttl', '-1s'],
    ['x-weir-cache-namespace', '../other'],
  ] as const) {
    const refused = await post('/v1/chat/completions', chatOf('hi'), { [name]: value });
    expect([name, refused.status, Object(refused.body.error).param]).toEqual([name, 400, name]);
  }
});

test('a request chooses the lifetime, and the age that it accepts', async () => {
  const { post, clock } = await start({ cache: { exact: { ttl: '60s', max_ttl: '10m' } } });
  const send = async (headers: Record<string, string>) =>
    cacheOf(await post('/v1/chat/completions', chatOf('hi'), headers));
  expect(await send({ 'x-weir-cache-ttl': '1h' })).toBe('miss');
  clock.shift(599_000);
  expect(await send({})).toBe('hit');
  expect(await send({ 'cache-control': 'max-age=600' })).toBe('hit');
  clock.shift(2_000);
  expect(await send({ 'x-weir-cache-ttl': '5' })).toBe('miss');
  clock.shift(4_000);
  expect(await send({ 'cache-control': 'max-age=3' })).toBe('miss');
});

test('a stale response is served while a new one is fetched', async () => {
  const { post, clock, mock } = await start({
    cache: { exact: { ttl: '10s', stale_while_revalidate: '1m' } },
  });
  await post('/v1/chat/completions', chatOf('hi'));
  clock.shift(20_000);
  const stale = await post('/v1/chat/completions', chatOf('hi'));
  expect([cacheOf(stale), stale.headers.get('age'), stale.text.includes('answer 1')]).toEqual([
    'stale',
    '20',
    true,
  ]);
  await mock.waitForRequest(2);
  await mock.waitForOpen(0);
  let fresh = await post('/v1/chat/completions', chatOf('hi'));
  while (cacheOf(fresh) === 'stale') {
    await settle();
    fresh = await post('/v1/chat/completions', chatOf('hi'));
  }
  expect([cacheOf(fresh), fresh.text.includes('answer 2')]).toEqual(['hit', true]);
  expect(mock.requests).toHaveLength(2);
  clock.shift(71_000);
  expect(cacheOf(await post('/v1/chat/completions', chatOf('hi')))).toBe('miss');
});

test('a stale response is served when all targets fail', async () => {
  const { post, clock, mock } = await start({ cache: { exact: { ttl: '10s', stale_if_error: '1m' } } });
  await post('/v1/chat/completions', chatOf('hi'));
  clock.shift(20_000);
  mock.respond(status(503, { error: { message: 'down' } }));
  const stale = await post('/v1/chat/completions', chatOf('hi'));
  expect([stale.status, cacheOf(stale), stale.text.includes('answer 1')]).toEqual([200, 'stale', true]);
  mock.respond(status(400, { error: { message: 'your fault' } }));
  expect((await post('/v1/chat/completions', chatOf('hi'))).status).toBe(400);
  clock.shift(60_000);
  mock.respond(status(503, { error: { message: 'down' } }));
  expect((await post('/v1/chat/completions', chatOf('hi'))).status).toBe(503);
});

test('a tenant has its own entries, and its own rules', async () => {
  const { post, gateway, mock } = await start();
  const admin = (method: string, path: string, body: unknown) =>
    gateway.call(method, `/admin/v1${path}`, { key: gateway.adminKey, body });
  const keyOf = async (tenant: string, cache?: unknown) => {
    await admin('POST', '/tenants', { id: tenant, ...(cache ? { cache } : {}) });
    const created = await admin('POST', `/tenants/${tenant}/keys`, { name: 'k' });
    return String(created.body.secret ?? created.body.key);
  };
  const acme = await keyOf('acme');
  const other = await keyOf('other');
  const strict = await keyOf('strict', { controls: ['refresh'], max_ttl_seconds: 60 });
  const off = await keyOf('off', { enabled: false });
  const send = async (key: string, headers: Record<string, string> = {}) => {
    const response = await post('/v1/chat/completions', chatOf('hi'), headers, key);
    return [response.status, cacheOf(response)];
  };
  expect(await send(acme)).toEqual([200, 'miss']);
  expect(await send(acme)).toEqual([200, 'hit']);
  expect(await send(other)).toEqual([200, 'miss']);
  expect(await send(other, { 'x-weir-cache-namespace': 'acme' })).toEqual([200, 'miss']);
  expect(await send(strict)).toEqual([200, 'miss']);
  expect(await send(strict, { 'x-weir-cache': 'refresh' })).toEqual([200, 'miss']);
  for (const headers of [
    { 'x-weir-cache': 'bypass' },
    { 'x-weir-cache-ttl': '1h' },
    { 'x-weir-cache-namespace': 'x' },
  ]) {
    expect(await send(strict, headers)).toEqual([403, null]);
  }
  expect(await send(strict, { 'cache-control': 'no-store' })).toEqual([200, 'hit']);
  expect(await send(off)).toEqual([200, 'bypass']);
  expect(await send(off)).toEqual([200, 'bypass']);
  expect(await send(off, { 'x-weir-cache': 'only' })).toEqual([403, null]);
  expect(mock.requests).toHaveLength(7);
  const tenant = await gateway.call('GET', '/admin/v1/tenants/strict', { key: gateway.adminKey });
  expect(tenant.body.cache).toEqual({ controls: ['refresh'], max_ttl_seconds: 60 });
});

test('a response from the cache counts as a request, and costs its own price', async () => {
  const { post, gateway } = await start({
    cache: { exact: { price: { input: 1, output: 1 } } },
    model: { price: { input: 100, output: 100 } },
    config: { limits: { default_tier: null, per_tenant: [{ of: 'requests', per: 'day', max: 3 }] } },
  });
  const costs: (string | null)[] = [];
  const cached: unknown[] = [];
  for (let index = 0; index < 3; index += 1) {
    const { headers, body } = await post('/v1/chat/completions', chatOf('hi'), { 'x-weir-metadata': '1' });
    costs.push(headers.get('x-weir-cost'));
    cached.push(Object(body.metadata).cached);
  }
  expect(cached).toEqual([undefined, true, true]);
  // 3 input and 2 output tokens.
  expect(costs).toEqual(['0.0005', '0.000005', '0.000005']);
  expect((await post('/v1/chat/completions', chatOf('hi'))).status).toBe(429);
  const metrics = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
  expect(metrics.text).toContain('llm_cache_hits_total{kind="exact",model="chat"} 2');
  expect(metrics.text).toContain('llm_cache_misses_total{kind="exact",model="chat"} 1');
  expect(metrics.text).toContain(
    'llm_cache_saved_usd_total{kind="exact",model="chat",tenant="default"} 0.001',
  );
  expect(metrics.text).toContain('llm_cost_usd_total{model="chat",tenant="default"} 0.00051');
  expect(metrics.text).toContain('llm_tokens_total{model="chat",direction="input"} 3');
});

test('operators see hits and savings, and clear entries', async () => {
  const { post, gateway, clock } = await start({ model: { price: { input: 100, output: 100 } } });
  const call = (method: string, path: string, body?: unknown, key = gateway.adminKey) =>
    gateway.call(method, path, { key, ...(body === undefined ? {} : { body }) });
  await call('POST', '/admin/v1/tenants', { id: 'acme' });
  const created = await call('POST', '/admin/v1/tenants/acme/keys', { name: 'k' });
  const acme = String(created.body.secret ?? created.body.key);
  const chat = (text: string, key = gateway.adminKey, headers: Record<string, string> = {}) =>
    post('/v1/chat/completions', chatOf(text), headers, key);
  await chat('a');
  await chat('a');
  await chat('b', gateway.adminKey, { 'x-weir-tags': 'team=x', 'x-weir-cache-namespace': 'n' });
  await chat('a', acme);
  await chat('a', acme);
  await chat('a', acme);

  const counts = { hits: 3, misses: 3, errors: 0, total_requests: 6, hit_rate_percent: 50 };
  const all = await call('GET', '/cache/stats');
  expect(all.body).toEqual({ chat: { ...counts, saved_usd: '0.0015', saved_seconds: expect.any(Number) } });
  expect((await call('GET', '/cache/stats?model=other')).body).toEqual(all.body);
  expect((await call('GET', '/cache/stats?model=missing')).body).toEqual({});
  const own = { hits: 2, misses: 1, total_requests: 3, hit_rate_percent: 66.67, saved_usd: '0.001' };
  expect((await call('GET', '/cache/stats', undefined, acme)).body).toMatchObject({ chat: own });
  expect((await call('GET', '/cache/stats?tenant=acme')).body).toMatchObject({ chat: own });
  expect((await call('GET', '/admin/v1/tenants/acme/cache')).body).toMatchObject({ models: { chat: own } });
  expect((await call('GET', '/admin/v1/cache')).body).toMatchObject({
    models: { chat: counts },
    tenants: { acme: own, default: { hits: 1, misses: 2 } },
  });

  expect((await call('POST', '/cache/clear', undefined, acme)).status).toBe(403);
  const clear = async (path: string, body: unknown) => (await call('POST', `/admin/v1${path}`, body)).body;
  const found = (count: number) => ({ cleared_keys: count, dry_run: true });
  expect(await clear('/cache/clear', { dry_run: true })).toEqual(found(3));
  expect(await clear('/cache/clear', { dry_run: true, tag: 'team=x' })).toEqual(found(1));
  expect(await clear('/cache/clear', { dry_run: true, namespace: 'n' })).toEqual(found(1));
  expect(await clear('/cache/clear', { dry_run: true, older_than: '1h' })).toEqual(found(0));
  expect(await clear('/tenants/acme/cache/clear', { dry_run: true, model: 'chat' })).toEqual(found(1));
  expect((await clear('/cache/clear', { older: 'x' })).error).toMatchObject({ code: 'invalid_request' });
  clock.shift(30_000);
  expect(await clear('/tenants/acme/cache/clear', { older_than: '10s' })).toEqual({
    ...{ cleared_keys: 1, dry_run: false },
  });
  expect([cacheOf(await chat('a', acme)), cacheOf(await chat('a'))]).toEqual(['miss', 'hit']);
  const counted = (query: string) => call('POST', `/cache/clear?dry_run=true&${query}`);
  expect((await counted('namespace=n')).body).toEqual(found(1));
  expect((await counted('tag=team%3Dx&tenant=default')).body).toEqual(found(1));
  expect((await counted('older_than=10s')).body).toEqual(found(2));
  expect((await counted('older_than=long')).status).toBe(400);
  expect((await call('POST', '/cache/clear?model=chat')).body).toEqual({ cleared_keys: 3 });
  expect((await call('POST', '/cache/clear')).body).toEqual({ cleared_keys: 0 });
  expect(cacheOf(await chat('a'))).toBe('miss');
  clock.shift(25 * 3_600_000);
  expect((await call('GET', '/cache/stats')).body).toMatchObject({ chat: { total_requests: 0 } });
});

test('guardrails see requests before the cache, and responses on every hit', async () => {
  const { post, mock } = await start({
    config: { guardrails: [{ id: 'pii', kind: 'pii', on: ['input', 'output'], action: 'redact' }] },
  });
  mock.respondAlways(json(JSON.parse(chatAnswer('Write to ann@example.com.'))));
  const send = (text: string) => post('/v1/chat/completions', chatOf(text));
  const first = await send('I am bob@example.com.');
  const second = await send('I am bob@example.com.');
  // The key is that of the redacted request.
  const third = await send('I am eve@example.com.');
  expect([first, second, third].map(cacheOf)).toEqual(['miss', 'hit', 'hit']);
  for (const { text } of [first, second, third]) expect(text).not.toContain('ann@example.com');
  expect(mock.requests).toHaveLength(1);
  expect(mock.requests[0]?.text()).not.toContain('bob@example.com');
  const parts = ['Write to ann', '@example', '.com.'].map((part) => chatEvent(part));
  mock.respond(eventStream([...parts, chatEvent('', 'stop'), 'data: [DONE]\n\n']));
  const stream = (headers = {}) =>
    post('/v1/chat/completions', chatOf('I am bob@example.com.', { stream: true }), headers);
  const streams = [await stream(), await stream({ 'x-weir-cache': 'refresh' }), await stream()];
  expect(streams.map(cacheOf)).toEqual(['hit', 'miss', 'hit']);
  for (const { text } of streams) {
    expect(text).toContain('[EMAIL]');
    expect(text).toEndWith('data: [DONE]\n\n');
    expect(/ann|example/.test(text)).toBe(false);
  }
});
