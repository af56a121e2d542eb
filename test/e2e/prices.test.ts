import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, post, provider } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';
import { parseObject } from './helpers/json.ts';

let mock: MockUpstream;
let gateway: Gateway;
/** By tenant. */
const keys: Record<string, string> = {};

/** The mock reports 3 tokens of input and 2 of output. US dollars per million tokens. */
const PRICES = [
  // Of the two targets, `one` is the cheaper one for acme, and `two` for all others.
  { model: 'shared', provider: 'one', tenant: 'acme', input: '1', output: '2', batch: '0.5' },
  { model: 'shared', provider: 'one', input: '30', output: '60' },
  { model: 'shared', provider: 'two', input: '10', output: '20' },
  {
    model: 'clocked',
    input: '4',
    output: '8',
    time_of_day: [
      { from: '00:00', until: '12:00', factor: '0.25' },
      { from: '12:00', until: '00:00', factor: '0.25' },
    ],
  },
];

beforeAll(async () => {
  mock = await startMockUpstream();
  mock.respondAlways(completion());
  const targets = [
    { provider: 'one', model: 'shared' },
    { provider: 'two', model: 'shared' },
  ];
  gateway = await startGateway({
    config: {
      providers: [provider({ id: 'one', url: mock.url }), provider({ id: 'two', url: mock.url })],
      models: [
        { id: 'chat', strategy: 'lowest-cost', targets },
        { id: 'fixed', targets: [{ provider: 'one', model: 'shared' }] },
        { id: 'clocked', targets: [{ provider: 'one', model: 'clocked' }] },
      ],
      prices: PRICES,
    },
  });
  for (const id of ['acme', 'other']) {
    await done(gateway, 'POST', '/tenants', { id, tier: null });
    const { key } = await done(gateway, 'POST', `/tenants/${id}/keys`, { name: 'k' });
    keys[id] = String(key);
  }
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

async function ask(tenant: string, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  const body = chat({ model: 'fixed', max_tokens: 5, ...more });
  const response = await post(gateway, body, {
    headers: { authorization: `Bearer ${keys[tenant]}`, ...headers },
  });
  return { status: response.status, headers: response.headers, body: parseObject(await response.text()) };
}

async function get(tenant: string, path: string, body?: object) {
  const response = await fetch(`${gateway.url}${path}`, {
    headers: { authorization: `Bearer ${keys[tenant]}`, 'content-type': 'application/json' },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  });
  expect(response.status).toBe(200);
  return parseObject(await response.text());
}

describe("a tenant's prices", () => {
  test('decide which target is the cheapest', async () => {
    const chosen = async (tenant: string) =>
      (await ask(tenant, { model: 'chat' })).headers.get('x-weir-provider');
    expect([await chosen('acme'), await chosen('other'), await chosen('acme')]).toEqual([
      'one',
      'two',
      'one',
    ]);
    const road = async (tenant: string) => {
      const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] };
      const found = await done(gateway, 'POST', '/route', { request, tenant });
      return dataOf({ data: found.road })[0];
    };
    const [first, second] = [await road('acme'), await road('other')];
    expect([first?.provider, second?.provider]).toEqual(['one', 'two']);
    expect(Number(second?.expected_cost_usd)).toBeCloseTo(Number(first?.expected_cost_usd) * 10, 9);
  });

  test('decide whether a request may cost that much', async () => {
    const most = { 'x-weir-max-cost': '0.00005' };
    expect((await ask('acme', {}, most)).status).toBe(200);
    expect((await ask('other', {}, most)).status).not.toBe(200);
    // A hundred responses cost a hundred times as much.
    expect((await ask('acme', { n: 100 }, most)).status).not.toBe(200);
  });

  test('are in the response, the explanation, the list of models and the estimate', async () => {
    const explain = { 'x-weir-explain': '1' };
    for (const [tenant, cost, input] of [
      ['acme', '0.000007', '1'],
      ['other', '0.00021', '30'],
    ] as const) {
      const { headers } = await ask(tenant, {}, explain);
      expect(headers.get('x-weir-cost')).toBe(cost);
      const shown = {
        looks: [{ targets: [{ provider: 'one', cost_usd: cost }] }],
        attempts: [{ cost_usd: cost }],
      };
      expect(parseObject(headers.get('x-weir-explain') ?? '')).toMatchObject(shown);
      const record = await done(gateway, 'GET', `/requests/${headers.get('x-request-id')}`);
      expect(record).toMatchObject(shown);
      expect(await get(tenant, '/v1/models/fixed')).toMatchObject({ pricing: { input } });
      const models = dataOf(await get(tenant, '/v1/models'));
      expect(models.find(({ id }) => id === 'fixed')).toMatchObject({ pricing: { input } });
      const messages = [{ role: 'user', content: 'Hi' }];
      const estimate = await get(tenant, '/v1/estimate', { model: 'fixed', messages, max_tokens: 10, n: 3 });
      const perOutput = tenant === 'acme' ? 2 : 60;
      const { input_tokens: tokens, targets } = estimate;
      const expected = (Number(tokens) * Number(input) + 30 * perOutput) / 1e6;
      expect(Number(dataOf({ data: targets })[0]?.max_cost)).toBeCloseTo(expected, 9);
      expect(await get(tenant, '/v1/suggest-model', { task: 'Summarise', limit: 10 })).toMatchObject({
        suggestions: expect.arrayContaining([
          // 1,000 tokens of input and 500 of output.
          expect.objectContaining({ model: 'fixed', estimated_cost_usd: tenant === 'acme' ? 0.002 : 0.06 }),
        ]),
      });
    }
  });

  test('are reserved from budgets', async () => {
    const requested = async (tenant: string) => {
      const limits = [{ of: 'cost', per: 'month', max: '0' }];
      const { key } = await done(gateway, 'POST', `/tenants/${tenant}/keys`, { name: 'poor', limits });
      const response = await post(gateway, chat({ model: 'fixed', max_tokens: 5 }), {
        headers: { authorization: `Bearer ${String(key)}` },
      });
      const { error } = parseObject(await response.text());
      return Number(parseObject(JSON.stringify(parseObject(JSON.stringify(error)).limit)).requested);
    };
    expect((await requested('other')) / (await requested('acme'))).toBeCloseTo(30, 6);
  });

  test('are what usage and budgets are settled with', async () => {
    await done(gateway, 'POST', '/tenants', { id: 'acme2', tier: null });
    const { key } = await done(gateway, 'POST', '/tenants/acme2/keys', { name: 'k' });
    keys.acme2 = String(key);
    await ask('acme2');
    await eventually('usage has arrived', async () => {
      const { body } = await admin(gateway, 'GET', '/tenants/acme2/usage');
      return dataOf(body)[0]?.cost === '0.00021';
    });
  });
});

test('requests at the rate of batches cost what the rule says', async () => {
  expect((await ask('acme', { service_tier: 'flex' })).headers.get('x-weir-cost')).toBe('0.0000035');
  expect((await ask('acme', { service_tier: 'default' })).headers.get('x-weir-cost')).toBe('0.000007');
  expect((await ask('other', { service_tier: 'flex' })).headers.get('x-weir-cost')).toBe('0.00021');
});

test('prices follow the time of day', async () => {
  expect((await ask('other', { model: 'clocked' })).headers.get('x-weir-cost')).toBe('0.000007');
});
