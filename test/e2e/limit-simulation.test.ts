import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { eventually } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
let organisation: Organisation;
const keys = new Map<string, { readonly id: string; readonly secret: string }>();
const REQUESTS = { one: 3, two: 2 } as const;

const rows = (value: unknown) => (Array.isArray(value) ? value.map(asObject) : []);
const simulate = async (body: Json) => {
  const path = '/admin/v1/tenants/acme/limits/simulate';
  const result = await gateway.call('POST', path, { key: gateway.adminKey, body });
  return { ...result, limits: rows(result.body.limits) };
};

beforeAll(async () => {
  gateway = await gatewayInProcess({
    config: {
      models: [
        {
          ...{ id: 'plain', targets: [{ provider: 'simulator', model: 'simulator' }] },
          price: { input: '1000', output: '1000' },
        },
      ],
    },
  });
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme', tier: null });
  for (const name of ['one', 'two'] as const) {
    const { id, key } = await organisation.key('acme', { name });
    keys.set(name, { id: String(id), secret: String(key) });
    for (let index = 0; index < REQUESTS[name]; index += 1) {
      const headers = { 'x-weir-tags': `team=${name}` };
      const messages = [{ role: 'user', content: 'Hi' }];
      const body = { model: 'plain', messages };
      const { status } = await gateway.call('POST', '/v1/chat/completions', {
        ...{ key: keys.get(name)?.secret, body, headers },
      });
      expect(status).toBe(200);
    }
  }
  gateway.gateway.startBackground();
  await eventually('usage is stored', async () => {
    const { data } = await organisation.done('GET', '/admin/v1/tenants/acme/usage');
    return rows(data)[0]?.requests === 5;
  });
}, 60_000);
afterAll(() => gateway?.close());

describe('a limit that is tried', () => {
  test('rejects the requests above it, by day, and stores nothing', async () => {
    const [limit] = (
      await simulate({ scope: 'tenant', limits: [{ of: 'requests', per: 'day', max: 2 }], days: 3 })
    ).limits;
    expect(limit).toMatchObject({ requests: 5, rejected: 3, exact: true, notes: [], mode: 'enforce' });
    expect(Number(limit?.rejected_cost)).toBeGreaterThan(0);
    const days = rows(limit?.days);
    expect(days.map(({ rejected }) => rejected)).toEqual([0, 0, 3]);
    expect(days.at(-1)?.day).toBe(new Date().toISOString().slice(0, 10));
    const { data } = await organisation.done('GET', '/admin/v1/tenants/acme/limits');
    expect(data).toEqual([]);
  });

  test('is of one key or tag', async () => {
    const limits = [{ of: 'requests', per: 'month', max: 2 }];
    const key = (await simulate({ scope: 'key', id: keys.get('one')?.id, limits })).limits;
    expect(key).toMatchObject([{ requests: 3, rejected: 1 }]);
    const tag = (await simulate({ scope: 'tag', id: 'team=two', limits })).limits;
    expect(tag).toMatchObject([{ requests: 2, rejected: 0, first_rejected_at: null }]);
  });

  test('of money or tokens is an estimate, and says why', async () => {
    const limits = [
      { of: 'cost', per: 'month', max: '0.000001' },
      { of: 'concurrent_requests', max: 1 },
    ];
    const { limits: found } = await simulate({ scope: 'tenant', limits });
    expect(found).toMatchObject([
      { of: 'cost', max: '0.000001', rejected: 5, exact: false },
      { of: 'concurrent_requests', per: null, rejected: 0, exact: true },
    ]);
    expect(String(rows([found[0]])[0]?.notes)).toContain('reserves the most');
  });

  test.each<[string, Json]>([
    ['id', { scope: 'key', limits: [{ of: 'requests', per: 'day', max: 2 }] }],
    ['id', { scope: 'tenant', id: 'x', limits: [{ of: 'requests', per: 'day', max: 2 }] }],
    ['limits', { scope: 'tenant', limits: [] }],
    ['limits[0].per', { scope: 'tenant', limits: [{ of: 'cost', per: 'minute', max: '2' }] }],
    ['days', { scope: 'tenant', days: 100, limits: [{ of: 'requests', per: 'day', max: 2 }] }],
  ])('has a valid %s', async (param, body) => {
    const { status, body: response } = await simulate(body);
    expect([status, asObject(response.error).param]).toEqual([400, param]);
  });
});

describe('a forecast', () => {
  test('of a tenant adds the pace to what was used, and agrees with its usage', async () => {
    const result = await organisation.done('GET', '/admin/v1/tenants/acme/usage/forecast');
    const { data } = await organisation.done('GET', '/admin/v1/tenants/acme/usage');
    const cost = asObject(result.cost);
    expect(cost.used).toBe(rows(data)[0]?.cost);
    expect(Number(cost.expected)).toBeGreaterThanOrEqual(Number(cost.used));
    expect(result).toMatchObject({ method: 'today', requests: { used: 5, low: null, last_month: 0 } });
    expect(rows(result.days).at(-1)).toMatchObject({ requests: 5, cost: cost.used });
  });

  test('is of one key, and of all tenants for the platform', async () => {
    const id = keys.get('two')?.id;
    const one = await organisation.done('GET', `/admin/v1/tenants/acme/usage/forecast?key=${id}`);
    expect(one).toMatchObject({ requests: { used: 2 } });
    const tag = await organisation.done('GET', '/admin/v1/tenants/acme/usage/forecast?tag=team%3Done');
    expect(tag).toMatchObject({ requests: { used: 3 } });
    const path = '/admin/v1/tenants/acme/usage/forecast?tag=team%3Done&key=x';
    expect((await gateway.call('GET', path, { key: gateway.adminKey })).status).toBe(400);
    const all = await organisation.done('GET', '/admin/v1/usage/forecast');
    expect(all).toMatchObject({ requests: { used: 5 }, time_zone: 'UTC' });
  });
});
