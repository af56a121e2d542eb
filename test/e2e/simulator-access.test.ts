import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { status } from '../support/scripts.ts';
import { chat, completion, expectError, mockConfig, post, provider } from './harness.ts';
import { done } from './helpers/admin.ts';
import { asObject } from './helpers/json.ts';

/** Who may use the simulator: the configuration key `simulator`, and what it is without the key. */

const SIMULATED = ['simulator', 'simulator-reasoning', 'simulator:tokens=5', 'simulator/simulator', 'demo'];

let mock: MockUpstream;
const gateways: Gateway[] = [];

async function start(config?: Readonly<Record<string, unknown>>) {
  const gateway = await startGateway(config ? { config } : {});
  gateways.push(gateway);
  const created = await done(gateway, 'POST', '/tenants/default/keys', { name: 'app' });
  const key = { authorization: `Bearer ${String(created.key)}` };
  const admin = { authorization: `Bearer ${gateway.adminKey}` };
  const modelsOf = async (headers: Record<string, string>) => {
    const { data } = asObject(await (await fetch(`${gateway.url}/v1/models`, { headers })).json());
    return (Array.isArray(data) ? data : []).map((model: unknown) => String(asObject(model).id));
  };
  return { gateway, key, admin, modelsOf };
}

const withModels = (more: Readonly<Record<string, unknown>> = {}) =>
  mockConfig(mock.url, {
    providers: [provider({ id: 'mock', url: mock.url })],
    models: [
      { id: 'chat', targets: [{ provider: 'mock', model: 'upstream-chat' }] },
      { id: 'demo', targets: [{ provider: 'simulator', model: 'simulator' }] },
      {
        id: 'mixed',
        strategy: 'weighted',
        targets: [
          { provider: 'mock', model: 'upstream-chat', weight: 1 },
          { provider: 'simulator', model: 'simulator', weight: 1_000 },
        ],
      },
      {
        id: 'falls-back',
        targets: [{ provider: 'mock', model: 'broken' }],
        fallbacks: ['simulator'],
      },
    ],
    routing: { retry: { attempts: 1 }, cool_down: { max: '0s' } },
    ...more,
  });

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways((request) =>
    request.text().includes('"broken"')
      ? status(500, { error: { message: 'broken' } })
      : completion('From the mock.'),
  );
});

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await mock?.close();
});

test('without other providers, every key may use it', async () => {
  const { gateway, key, modelsOf } = await start();
  expect(await modelsOf(key)).toContain('simulator');
  expect((await post(gateway, chat({ model: 'simulator' }), { headers: key })).status).toBe(200);
  const prompt = await post(gateway, '{"prompt":"Hi."}', { path: '/inference', headers: key });
  expect(prompt.status).toBe(200);
});

describe('with other providers, admin keys may use it', () => {
  let running: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    running = await start(withModels());
  });

  test.each(SIMULATED)('%s', async (model) => {
    const { gateway, key, admin } = running;
    const error = await expectError(
      await post(gateway, chat({ model }), { headers: key }),
      403,
      'permission_denied',
    );
    expect([error.param, error.message]).toEqual(['model', expect.stringContaining('"simulator: all"')]);
    expect((await post(gateway, chat({ model }), { headers: admin })).status).toBe(200);
    await expectError(
      await post(gateway, chat({ model }), { headers: key, path: '/v1/estimate' }),
      403,
      'permission_denied',
    );
  });

  test('other endpoints', async () => {
    const { gateway, key } = running;
    for (const [path, body] of [
      ['/v1/embeddings', { model: 'simulator-embedding', input: 'x' }],
      ['/v1/rerank', { model: 'simulator-rerank', query: 'x', documents: ['y'] }],
      ['/v1/completions', { model: 'simulator', prompt: 'x' }],
      ['/v1/responses', { model: 'simulator', input: 'x' }],
      ['/inference', { model: 'simulator', prompt: 'x' }],
    ] as const) {
      await expectError(
        await post(gateway, JSON.stringify(body), { path, headers: key }),
        403,
        'permission_denied',
      );
    }
    const messages = { model: 'simulator', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] };
    const anthropic = await post(gateway, JSON.stringify(messages), { path: '/v1/messages', headers: key });
    expect([anthropic.status, await anthropic.json()]).toMatchObject([
      403,
      { error: { type: 'permission_error' } },
    ]);
  });

  test('lists and errors show its models to admin keys only', async () => {
    const { gateway, key, admin, modelsOf } = running;
    expect(await modelsOf(admin)).toEqual(expect.arrayContaining(['simulator', 'demo', 'mixed', 'chat']));
    const shown = await modelsOf(key);
    expect(shown).toEqual(expect.arrayContaining(['mixed', 'chat']));
    expect(shown.filter((id) => id.startsWith('simulator') || id === 'demo')).toEqual([]);
    const one = (id: string, headers: Record<string, string>) =>
      fetch(`${gateway.url}/v1/models/${id}`, { headers });
    expect((await one('simulator', admin)).status).toBe(200);
    await expectError(await one('simulator', key), 404, 'model_not_found');
    const near = await expectError(
      await post(gateway, chat({ model: 'simulatr' }), { headers: key }),
      404,
      'model_not_found',
    );
    expect(near.message).not.toContain('"simulator"');
  });

  test('a model with other targets uses those for other keys', async () => {
    const { gateway, key, admin } = running;
    for (let count = 0; count < 20; count += 1) {
      const response = await post(gateway, chat({ model: 'mixed' }), { headers: key });
      expect([response.status, await response.json()]).toMatchObject([
        200,
        { choices: [{ message: { content: 'From the mock.' } }] },
      ]);
    }
    const providers = new Set<string | null>();
    for (let count = 0; count < 10; count += 1) {
      const response = await post(gateway, chat({ model: 'mixed' }), { headers: admin });
      providers.add(response.headers.get('x-weir-provider'));
    }
    expect(providers).toContain('simulator');
  });

  test('no fallback leads other keys to it', async () => {
    const { gateway, key, admin } = running;
    const mine = await post(gateway, chat({ model: 'falls-back' }), { headers: key });
    expect([mine.status, mine.headers.get('x-weir-provider')]).not.toEqual([200, 'simulator']);
    expect(mine.status).toBeGreaterThanOrEqual(500);
    const theirs = await post(gateway, chat({ model: 'falls-back' }), { headers: admin });
    expect([theirs.status, theirs.headers.get('x-weir-provider')]).toEqual([200, 'simulator']);
  });

  test('it is no default model', async () => {
    const { default_model: _, models: __, ...rest } = withModels();
    const { gateway, key } = await start(rest);
    const response = await post(gateway, '{"prompt":"Hi."}', { path: '/inference', headers: key });
    expect((await expectError(response, 400, 'invalid_request')).param).toBe('model');
  });
});

test('"all" opens it to all keys', async () => {
  const { gateway, key, modelsOf } = await start(withModels({ simulator: 'all' }));
  for (const model of SIMULATED) {
    expect([model, (await post(gateway, chat({ model }), { headers: key })).status]).toEqual([model, 200]);
  }
  expect(await modelsOf(key)).toEqual(expect.arrayContaining(['simulator', 'demo']));
});

test('"off" closes it to every key', async () => {
  const config = mockConfig(mock.url, { simulator: 'off' });
  const { gateway, admin, modelsOf } = await start(config);
  for (const model of SIMULATED) {
    await expectError(await post(gateway, chat({ model }), { headers: admin }), 404, 'model_not_found');
  }
  expect(await modelsOf(admin)).toEqual(['chat']);
});

test('a reload changes who may use it', async () => {
  const { gateway, key } = await start(withModels({ simulator: 'all' }));
  expect((await post(gateway, chat({ model: 'demo' }), { headers: key })).status).toBe(200);
  gateway.writeConfig(withModels({ simulator: 'admin' }));
  gateway.signal('SIGHUP');
  await gateway.waitForOutput(/config(?:uration)?[ ._]reloaded/);
  await expectError(await post(gateway, chat({ model: 'demo' }), { headers: key }), 403, 'permission_denied');
});
