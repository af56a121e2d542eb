import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { json, status } from '../support/scripts.ts';
import { chat, errorIn, post, provider } from './harness.ts';
import { completion } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';

let mock: MockUpstream;
let gateway: Gateway;
/** Keys that the upstream does not take now, and what it says to them. */
let refused: Map<string, number>;
let used: string[];

const KEYS = ['sk-first-0123456789', 'sk-second-0123456789', 'sk-third-0123456789'] as const;

beforeAll(async () => {
  mock = await startMockUpstream();
  refused = new Map();
  used = [];
  mock.respondAlways((request) => {
    const key = (request.headers.get('authorization') ?? '').replace('Bearer ', '');
    used.push(key);
    const code = refused.get(key);
    if (code === undefined) return json(completion());
    return status(code, { error: { message: `no for ${key}` } });
  });
  const base = provider({ id: 'many', url: mock.url });
  const PRICE = { input: '10', output: '20' };
  gateway = await startGateway({
    config: {
      routing: { retry: { attempts: 1 }, cool_down: { default: '60s' } },
      providers: [
        { ...base, api_key: KEYS[0], more_api_keys: KEYS.slice(1) },
        { ...provider({ id: 'eu', url: mock.url }), api_key: KEYS[0] },
      ],
      models: [
        { id: 'm', strategy: 'round-robin', targets: [{ provider: 'many', model: 'x' }] },
        {
          id: 'placed',
          price: PRICE,
          targets: [
            { provider: 'many', model: 'us', region: 'us-east-1' },
            { provider: 'eu', model: 'eu', region: 'eu-west-1' },
          ],
        },
      ],
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const ask = (model = 'm', headers: Record<string, string> = {}) =>
  post(gateway, chat({ model }), { headers });

describe('a provider with several keys', () => {
  test('shares requests among them', async () => {
    for (let turn = 0; turn < 40; turn += 1) expect((await ask()).status).toBe(200);
    expect(new Set(used)).toEqual(new Set(KEYS));
  });

  test('skips a key that is over its limit or is rejected, and clients notice nothing', async () => {
    for (const code of [429, 401]) {
      const bad = KEYS[code === 429 ? 0 : 1];
      refused.set(bad, code);
      for (let turn = 0; turn < 6; turn += 1) expect((await ask()).status).toBe(200);
      used = [];
      for (let turn = 0; turn < 20; turn += 1) expect((await ask()).status).toBe(200);
      expect(used.filter((key) => key === bad).length).toBe(0);
      expect(used.length).toBe(20);
    }
  });

  test('tells of each by its number, and never by the key itself', async () => {
    const list = await fetch(`${gateway.url}/admin/v1/targets`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    const text = await list.text();
    for (const key of KEYS) expect(text).not.toContain(key);
    const { data } = asObject(JSON.parse(text));
    const rows = (Array.isArray(data) ? data.map(asObject) : []).filter(({ model }) => model === 'x');
    expect(rows.map(({ key, unavailable_because: why }: Json) => [key, why])).toEqual([
      [1, 'cooling_down'],
      [2, 'cooling_down'],
      [3, null],
    ]);
    refused.clear();
    const body = { provider: 'many', model: 'x', key: 3, override: 'disable' };
    const disabled = await post(gateway, JSON.stringify(body), { path: '/admin/v1/targets' });
    expect(asObject(await disabled.json())).toMatchObject({ key: 3, unavailable_because: 'disabled' });
    used = [];
    expect((await ask()).status).toBe(200);
    expect(used).not.toContain(KEYS[2]);
  });
});

describe('what a client insists on', () => {
  test.each([
    ['eu', 'eu'],
    ['eu-west-1', 'eu'],
    ['US-EAST-1', 'us'],
    ['ap, us', 'us'],
  ])('a region: %s', async (region, model) => {
    for (let turn = 0; turn < 5; turn += 1) {
      const response = await ask('placed', { 'x-weir-region': region });
      expect([response.status, response.headers.get('x-weir-model')]).toEqual([200, model]);
    }
  });

  test('is an error that says what there is, where nothing meets it', async () => {
    const nowhere = await ask('placed', { 'x-weir-region': 'eu-central-1' });
    expect(nowhere.status).toBe(400);
    expect(errorIn(await nowhere.json()).message).toBe(
      'No target of model "placed" meets the constraints of the request: many/us (in region us-east-1), eu/eu (in region eu-west-1). Change the header x-weir-region or x-weir-max-cost.',
    );
    const unknown = await ask('m', { 'x-weir-region': 'eu' });
    expect(errorIn(await unknown.json()).message).toContain('(region not known)');
    const expensive = await ask('placed', { 'x-weir-max-cost': '0.001' });
    expect(errorIn(await expensive.json()).message).toContain('(expected to cost $0.0');
    expect((await ask('placed', { 'x-weir-max-cost': '0.05' })).status).toBe(200);
  });

  test.each([
    ['x-weir-region', 'eu west'],
    ['x-weir-max-cost', '-1'],
    ['x-weir-max-cost', 'cheap'],
  ])('has to be readable: %s: %s', async (name, value) => {
    const response = await ask('placed', { [name]: value });
    expect([response.status, errorIn(await response.json()).param]).toEqual([400, name]);
  });
});
