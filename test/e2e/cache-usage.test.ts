import { expect, test } from 'bun:test';
import { startGateway } from '../support/gateway.ts';
import { chatAnswer } from '../support/inference.ts';
import { startMockUpstream } from '../support/mock-upstream.ts';
import { json } from '../support/scripts.ts';
import { chat, completion, eventually, post, provider } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

test('usage shows what the cache served and saved', async () => {
  const mock = await startMockUpstream();
  // 3 tokens of input and 2 of output.
  mock.respondAlways(completion());
  const gateway = await startGateway({
    config: {
      providers: [provider({ id: 'a', url: mock.url })],
      models: [{ id: 'chat', targets: [{ provider: 'a', model: 'up' }] }],
      prices: [{ model: 'up', input: '1', output: '10' }],
      cache: {},
    },
  });
  try {
    await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
    const { key } = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'k' });
    const headers = { authorization: `Bearer ${key}` };
    const body = chat({ model: 'chat', max_tokens: 5 });
    for (let index = 0; index < 4; index += 1) {
      const response = await post(gateway, body, { headers });
      expect([response.status, response.headers.get('x-weir-cache')]).toEqual([
        200,
        index > 0 ? 'hit' : 'miss',
      ]);
    }
    const total = async () => dataOf(await done(gateway, 'GET', '/tenants/acme/usage?'))[0] ?? {};
    await eventually('it is stored', async () => (await total()).requests === 4);
    expect(await total()).toMatchObject({
      ...{ requests: 4, attempts: 4, input_tokens: 3, output_tokens: 2, cost: '0.000023' },
      cache: { hits: 3, hit_rate_percent: 75, saved: '0.000069', saved_seconds: expect.any(Number) },
    });
    const events = dataOf(await done(gateway, 'GET', '/tenants/acme/usage/events?provider=cache'));
    expect(events.map(({ outcome, cost, input_tokens }) => [outcome, cost, input_tokens])).toEqual(
      Array.from({ length: 3 }, () => ['cached', '0', 0]),
    );
  } finally {
    await gateway.stop();
    await mock.close();
  }
});

test('usage shows what prompt caches of providers saved', async () => {
  const mock = await startMockUpstream();
  const usage = {
    ...{ prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 },
    prompt_tokens_details: { cached_tokens: 800, cache_write_tokens: 100 },
  };
  mock.respondAlways(json({ ...JSON.parse(chatAnswer('hi')), usage }));
  const price = { input: '10', output: '20', cached_input: '1', cache_write: '12.5' };
  const gateway = await startGateway({
    config: {
      providers: [provider({ id: 'a', url: mock.url })],
      models: [{ id: 'chat', targets: [{ provider: 'a', model: 'up' }], price }],
    },
  });
  try {
    await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
    const { key } = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'k' });
    const headers = { authorization: `Bearer ${key}` };
    for (let index = 0; index < 2; index += 1) {
      const response = await post(gateway, chat({ model: 'chat', max_tokens: 10 }), { headers });
      expect(response.status).toBe(200);
    }
    const row = async () => dataOf(await done(gateway, 'GET', '/tenants/acme/usage?group_by=model'))[0] ?? {};
    await eventually('it is stored', async () => (await row()).requests === 2);
    // Of each request: 800 tokens at 1 instead of 10, 100 at 12.5 instead of 10 dollars per million.
    expect(await row()).toMatchObject({
      cost: '0.0065',
      prompt_cache: { read_tokens: 1_600, write_tokens: 200, saved: '0.0139' },
    });
    expect(await row()).not.toHaveProperty('cache');
  } finally {
    await gateway.stop();
    await mock.close();
  }
});
