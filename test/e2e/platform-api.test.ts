import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { isRecord } from '../../src/core/json.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json } from '../support/scripts.ts';
import { completion, eventually, provider } from './harness.ts';

/** What users of such platforms expect beside the APIs of vendors; docs/mapping.md lists it. */

let mock: MockUpstream;
let weir: InProcessGateway;
const created = async (path: string, body: object): Promise<CallResult['body']> => {
  const result = await weir.call('POST', `/admin/v1${path}`, { key: weir.adminKey, body });
  if (result.status !== 201) throw new Error(result.text);
  return result.body;
};
const get = (path: string, key = weir.adminKey, headers = {}) => weir.call('GET', path, { key, headers });
const post = (path: string, body?: object, headers = {}) =>
  weir.call('POST', path, { key: weir.adminKey, body, headers });

beforeAll(async () => {
  mock = await startMockUpstream();
  const targets = [{ provider: 'mock', model: 'up' }];
  weir = await gatewayInProcess({
    config: {
      server: { trusted_proxies: ['10.9.9.9'] },
      routing: { retry: { attempts: 1 } },
      providers: [provider({ id: 'mock', url: mock.url })],
      models: [
        {
          ...{ id: 'writer', targets, best_for: ['poems', 'speeches'], cost_tier: 'low', max_length: 9_000 },
          price: { input: '1000', output: '1000' },
        },
        { id: 'other', targets, price: { input: '1', output: '1' } },
      ],
    },
  });
  // Its jobs store usage.
  weir.gateway.startBackground();
});
afterAll(async () => {
  await weir.close();
  await mock.close();
});
beforeEach(() => mock.respondAlways(completion('Hi.', 'up')));

describe('GET /v1/usage', () => {
  test('totals of the key, of its user, and of no other user', async () => {
    await created('/tenants', { id: 'own', tier: null });
    const account = async (name: string) =>
      String((await created('/tenants/own/service-accounts', { name, role: 'developer' })).id);
    const [mine, other] = [await account('mine'), await account('other')];
    const made = await created('/tenants/own/keys', { name: 'k', member: mine });
    const key = String(made.key);
    const body = { model: 'writer', messages: [{ role: 'user', content: 'Hi' }] };
    for (let sent = 0; sent < 2; sent += 1) {
      expect((await weir.call('POST', '/v1/chat/completions', { key, body })).status).toBe(200);
    }
    const totals = {
      total_requests: 2,
      total_tokens: 10,
      total_cost_usd: 0.01,
      average_latency_ms: expect.any(Number),
    };
    await eventually('usage is stored', async () => (await get('/v1/usage', key)).body.total_requests === 2);
    expect((await get('/v1/usage', key)).body).toMatchObject({ object: 'usage', ...totals });
    expect((await get(`/v1/usage/${mine}`, key)).body).toMatchObject(totals);
    expect((await get(`/v1/usage/${mine}?tenant=own`)).body).toMatchObject(totals);
    for (const path of [`/v1/usage/${other}`, `/v1/usage/${mine}?tenant=default`]) {
      expect((await get(path, key)).status).toBe(403);
    }
    expect((await get('/v1/usage/unknown?tenant=own')).status).toBe(404);
    expect((await get(`/v1/usage/${other}?tenant=own`)).body).toMatchObject({
      ...{ total_requests: 0, total_tokens: 0, total_cost_usd: 0, average_latency_ms: null },
    });
  });
});

describe('POST /v1/suggest-model', () => {
  test('a task in the query, without a body', async () => {
    const { status, body } = await post('/v1/suggest-model?task=write%20poems%20cheaply');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      suggested_model: 'writer',
      capabilities: { best_for: ['poems', 'speeches'], cost_tier: 'low', max_length: 9_000 },
    });
    expect(JSON.stringify(body.suggestions)).toContain('Configured as good at poems.');
    expect((await post('/v1/suggest-model')).status).toBe(400);
  });

  test('says why nothing fits', async () => {
    const constraints = { max_input_price: 0.1 };
    const { body } = await post('/v1/suggest-model', { task: 'anything', constraints });
    expect(body).toMatchObject({ suggested_model: null, suggestions: [] });
    expect(body.message).toBe(
      'No model fits; of 2: 2 input price too high, or unknown. Relax the constraints, or describe the task in other words.',
    );
  });

  test('says what is missing where there are no models', async () => {
    const alone = await gatewayInProcess();
    const { body } = await alone.call('POST', '/v1/suggest-model?task=x', { key: alone.adminKey });
    await alone.close();
    expect(body.message).toContain('Set the API key of a provider');
  });
});

test('/v1/models shows what a model is good at', async () => {
  const { body } = await get('/v1/models/writer');
  expect(body).toMatchObject({
    context_window: 9_000,
    capabilities: { best_for: ['poems', 'speeches'], cost_tier: 'low', max_length: 9_000 },
  });
});

describe('GET /health', () => {
  const health = async () => (await get('/health')).body;

  test('a word, and the state of each model for operators', async () => {
    expect(await health()).toMatchObject({ health: 'healthy', models: { writer: true, other: true } });
    const { body } = await weir.call('GET', '/health');
    expect([body.health, body.models, body.providers]).toEqual(['healthy', undefined, undefined]);
  });

  test('unhealthy without an available target, and healthy again', async () => {
    const override = (value: string | null) =>
      post('/admin/v1/targets', { provider: 'mock', model: 'up', override: value });
    expect((await override('disable')).status).toBe(200);
    expect(await health()).toMatchObject({ health: 'unhealthy', models: { writer: false, other: false } });
    await override(null);
    expect(await health()).toMatchObject({ health: 'healthy', models: { writer: true } });
  });

  test('a provider without requests is known once it has listed its models', async () => {
    const upstream = await startMockUpstream();
    upstream.respondAlways(json({ object: 'list', data: [{ id: 'm', object: 'model' }] }));
    const other = await gatewayInProcess({
      config: { providers: [{ ...provider({ id: 'seen', url: upstream.url }), discover: true }] },
    });
    const statusOf = async () => {
      const { body } = await other.call('GET', '/health', { key: other.adminKey });
      const all: unknown[] = Array.isArray(body.providers) ? body.providers : [];
      return all.filter(isRecord).map(({ id, status }) => `${String(id)} ${String(status)}`);
    };
    expect(await statusOf()).toEqual(['seen unknown', 'simulator ok']);
    await other.gateway.discoverModels();
    expect(await statusOf()).toEqual(['seen ok', 'simulator ok']);
    await other.close();
    await upstream.close();
  });
});

test('POST /v1/models/{model}/completions is a completion with the model of the path', async () => {
  mock.respondAlways(
    json({ id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'x', finish_reason: 'stop' }] }),
  );
  const { status, body } = await post('/v1/models/writer/completions', { prompt: 'Hi', max_tokens: 3 });
  expect([status, body.object, body.model]).toEqual([200, 'text_completion', 'writer']);
  expect(mock.requests.at(-1)?.json()).toMatchObject({ model: 'up', prompt: 'Hi' });
  expect((await get('/v1/models/writer')).status).toBe(200);
});

test('requests without a prompt get an example', async () => {
  const errors = [
    await post('/inference', undefined, { 'content-length': '0' }),
    await post('/inference', {}),
    await get('/stream'),
    await post('/stream', {}),
  ];
  for (const { status, text } of errors) {
    expect(status).toBe(400);
    expect(text).toMatch(/Example: (POST \/inference|GET \/stream\?prompt=)/);
  }
});

test('the timeout of a model, and of its provider, holds for each attempt', async () => {
  const upstream = await startMockUpstream();
  upstream.respondAlways(() => new Promise<never>(() => undefined));
  const target = (id: string) => [{ provider: id, model: 'up' }];
  const slow = await gatewayInProcess({
    config: {
      routing: { retry: { attempts: 1 } },
      providers: [
        { ...provider({ id: 'quick', url: upstream.url }), timeout: '100ms' },
        provider({ id: 'patient', url: upstream.url }),
      ],
      models: [
        { id: 'of-provider', targets: target('quick') },
        { id: 'of-model', targets: target('patient'), timeout: '100ms' },
      ],
    },
  });
  for (const model of ['of-provider', 'of-model', 'quick/direct']) {
    for (const stream of [false, true]) {
      const body = { model, stream, messages: [{ role: 'user', content: 'Hi' }] };
      const { status, text } = await slow.call('POST', '/v1/chat/completions', { key: slow.adminKey, body });
      expect([model, status, text]).toEqual([model, 504, expect.stringContaining('upstream_timeout')]);
    }
  }
  await slow.close();
  await upstream.close();
});

test('the time at which a rate limit is full again, in seconds and as a Unix time', async () => {
  const clock = new FakeClock();
  const limited = await gatewayInProcess({ clock, config: { limits: { per_ip: { rps: 0.5, burst: 4 } } } });
  const body = { model: 'simulator', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 };
  const call = { key: limited.adminKey, body, address: '192.0.2.1' };
  for (let sent = 0; sent < 5; sent += 1) {
    const { headers } = await limited.call('POST', '/v1/chat/completions', call);
    const reset = Number(headers.get('x-ratelimit-reset'));
    expect(reset).toBeGreaterThan(0);
    expect(Number(headers.get('x-ratelimit-reset-epoch'))).toBe(Math.ceil(clock.wallTime() / 1000) + reset);
  }
  await limited.close();
});

describe('security headers', () => {
  test('on every response', async () => {
    for (const { headers } of [await get('/v1/models'), await get('/nowhere'), await get('/health', '')]) {
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-xss-protection')).toBe('0');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('strict-transport-security')).toBeNull();
    }
  });

  test('HSTS where a trusted proxy says that the client used TLS, and no other address does', async () => {
    const hsts = async (address: string, headers: object) => {
      const response = await weir.call('GET', '/health', { address, headers: { ...headers } });
      return response.headers.get('strict-transport-security');
    };
    const secure = { 'x-forwarded-proto': 'https' };
    expect(await hsts('10.9.9.9', secure)).toBe('max-age=31536000');
    expect(await hsts('10.9.9.9', { 'x-forwarded-proto': 'http' })).toBeNull();
    expect(await hsts('192.0.2.1', secure)).toBeNull();
  });
});
