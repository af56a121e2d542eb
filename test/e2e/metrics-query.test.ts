import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { eventually } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
let organisation: Organisation;
const keys = new Map<string, string>();
const sessions = new Map<string, string>();

async function chat(
  key: string | undefined,
  body: Json = {},
  headers: Readonly<Record<string, string>> = {},
) {
  const messages = [{ role: 'user', content: 'Count to three.' }];
  return gateway.call('POST', '/v1/chat/completions', {
    ...{ key, headers },
    body: { model: 'plain', messages, ...body },
  });
}

const asArray = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

async function query(key: string | undefined, parameters: string): Promise<Json> {
  const { status, body, text } = await gateway.call('GET', `/admin/v1/metrics/query?${parameters}`, { key });
  if (status !== 200) throw new Error(`${status} ${text}`);
  return asObject(body);
}

beforeAll(async () => {
  gateway = await gatewayInProcess({
    config: {
      models: [
        { id: 'plain', targets: [{ provider: 'simulator', model: 'simulator' }] },
        { id: 'other', targets: [{ provider: 'simulator', model: 'simulator' }] },
      ],
      prices: [{ model: 'simulator', input: '0.15', output: '0.6' }],
    },
  });
  organisation = new Organisation(gateway);
  for (const id of ['acme', 'else']) await organisation.done('POST', '/admin/v1/tenants', { id });
  for (const [name, role] of [
    ['dev', 'developer'],
    ['peer', 'developer'],
    ['boss', 'admin'],
    ['money', 'billing'],
  ] as const) {
    const member = await organisation.member('acme', name, role);
    sessions.set(name, (await organisation.session('acme', name)) ?? '');
    keys.set(name, String((await organisation.key('acme', { name, member })).key));
  }
  keys.set('else', String((await organisation.key('else', { name: 'k' })).key));
  keys.set(
    'limited',
    String(
      (await organisation.key('acme', { name: 'l', limits: [{ of: 'requests', per: 'day', max: 0 }] })).key,
    ),
  );
  for (let index = 0; index < 3; index += 1) await chat(keys.get('dev'));
  await chat(keys.get('dev'), { stream: true });
  await chat(keys.get('peer'), { model: 'other' }, { 'x-weir-tags': 'team=blue' });
  await chat(keys.get('else'));
  expect((await chat(keys.get('limited'))).status).toBe(429);
  expect((await chat(keys.get('dev'), { model: 'missing' })).status).toBe(404);
  gateway.gateway.startBackground();
  await eventually('usage is stored', async () => {
    return totals(await query(gateway.adminKey, '')).requests === 8;
  });
}, 60_000);
afterAll(() => gateway?.close());

const totals = (result: Json) => asObject(asObject(result.total).totals);

describe('series', () => {
  test('count every request of every tenant for the platform, rejected ones too', async () => {
    const result = await query(gateway.adminKey, 'metrics=requests,errors,rejected,attempts,latency,ttft');
    expect(totals(result)).toMatchObject({ requests: 8, errors: 2, rejected: 2, attempts: 6 });
    expect(totals(result).latency_p95).toBeGreaterThan(0);
    expect(totals(result).ttft_p50).toBeGreaterThan(0);
    const values = asArray(asObject(asObject(result.total).values).requests).map(Number);
    expect(values.reduce((sum, value) => sum + value, 0)).toBe(8);
    expect(values).toHaveLength(asArray(result.times).length);
  });

  test('equal the usage report, to the last digit of the cost', async () => {
    const report = await organisation.done('GET', '/admin/v1/tenants/acme/usage');
    const [row] = asArray(report.data).map(asObject);
    const all = totals(await query(gateway.adminKey, 'tenant=acme'));
    expect(all).toMatchObject({ cost: row?.cost, input_tokens: row?.input_tokens });
    expect(Number(all.requests) - Number(all.rejected)).toBe(Number(row?.requests));
  });

  test('are grouped by model, key, user and tenant, the largest first, and the rest is other', async () => {
    const byModel = await query(gateway.adminKey, 'tenant=acme&group_by=model,provider&series=1');
    expect(asArray(byModel.series).map((one) => asObject(one).by)).toEqual([
      { model: 'plain', provider: 'simulator' },
    ]);
    const [first] = asArray(byModel.series).map((one) => asObject(asObject(one).totals));
    const other = asObject(asObject(byModel.other).totals);
    expect(Number(first?.requests) + Number(other.requests)).toBe(Number(totals(byModel).requests));
    const byUser = await query(gateway.adminKey, 'tenant=acme&group_by=user&metrics=requests,latency');
    expect(asArray(byUser.series).map((one) => asObject(one).names)).toContainEqual({ user: 'dev' });
    expect(byUser.step).toBe('1h');
    const byTenant = await query(gateway.adminKey, 'group_by=tenant');
    expect(asArray(byTenant.series).map((one) => asObject(asObject(one).by).tenant)).toContain('else');
    const byTag = await query(gateway.adminKey, 'tenant=acme&group_by=tag');
    expect(asArray(byTag.series).map((one) => asObject(one).by)).toEqual([{ tag: 'team=blue' }]);
  });

  test('are those of the own tenant for its administrators and billing, and of oneself for developers', async () => {
    for (const name of ['boss', 'money']) {
      expect(totals(await query(sessions.get(name), ''))).toMatchObject({ requests: 7 });
    }
    expect(totals(await query(sessions.get('dev'), ''))).toMatchObject({ requests: 5 });
    expect(totals(await query(sessions.get('peer'), 'metrics=requests'))).toEqual({ requests: 1 });
    for (const [name, parameters, status] of [
      ['boss', 'tenant=else', 404],
      ['dev', 'user=none', 403],
      ['dev', 'group_by=tag', 400],
      ['boss', 'group_by=tag,key', 400],
      ['boss', 'metrics=speed', 400],
      ['boss', 'group_by=weather', 400],
      ['boss', 'group_by=tag&metrics=latency', 400],
      ['boss', 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 400],
      ['boss', 'from=2000-01-01T00:00:00Z&step=1h', 400],
    ] as const) {
      const path = `/admin/v1/metrics/query?${parameters}`;
      expect((await gateway.call('GET', path, { key: sessions.get(name) })).status).toBe(status);
    }
  });
});
