import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { eventually } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
let organisation: Organisation;
const keys = new Map<string, string>();
const sessions = new Map<string, string>();

const asList = (value: unknown) => (Array.isArray(value) ? value.map(asObject) : []);

async function chat(
  key: string,
  id: string,
  body: Json = {},
  headers: Readonly<Record<string, string>> = {},
) {
  const messages = [{ role: 'user', content: 'Count to three.' }];
  return gateway.call('POST', '/v1/chat/completions', {
    ...{ key: keys.get(key), headers: { 'x-request-id': id, ...headers } },
    body: { model: 'plain', messages, ...body },
  });
}

async function list(key: string | undefined, parameters = ''): Promise<Json> {
  const { status, body, text } = await gateway.call('GET', `/admin/v1/requests?${parameters}`, { key });
  if (status !== 200) throw new Error(`${status} ${text}`);
  return asObject(body);
}
const ids = async (...call: Parameters<typeof list>) =>
  asList((await list(...call)).data).map(({ id }) => id);

beforeAll(async () => {
  gateway = await gatewayInProcess({
    config: {
      models: [{ id: 'plain', targets: [{ provider: 'simulator', model: 'simulator' }] }],
      prices: [{ model: 'simulator', input: '0.15', output: '0.6' }],
    },
  });
  organisation = new Organisation(gateway);
  for (const id of ['acme', 'else']) await organisation.done('POST', '/admin/v1/tenants', { id });
  for (const [name, role] of [
    ['dev', 'developer'],
    ['boss', 'admin'],
    ['money', 'billing'],
  ] as const) {
    const member = await organisation.member('acme', name, role);
    sessions.set(name, await organisation.session('acme', name));
    keys.set(name, String((await organisation.key('acme', { name, member })).key));
  }
  keys.set('else', String((await organisation.key('else', { name: 'k' })).key));
  const none = [{ of: 'requests', per: 'day', max: 0 }];
  keys.set('limited', String((await organisation.key('acme', { name: 'l', limits: none })).key));
  await chat('dev', 'one');
  await chat('dev', 'two', { stream: true }, { 'x-weir-tags': 'team=blue' });
  await chat('boss', 'three');
  await chat('else', 'four');
  await chat('limited', 'five');
  await chat('dev', 'six', { model: 'missing' });
  gateway.gateway.startBackground();
  await eventually('usage is stored', async () => asList((await list(gateway.adminKey)).data).length === 6);
}, 60_000);
afterAll(() => gateway?.close());

describe('a list of requests', () => {
  test('has those of every tenant for the platform, newest first, page by page', async () => {
    expect((await ids(gateway.adminKey)).toSorted()).toEqual(['five', 'four', 'one', 'six', 'three', 'two']);
    const seen: unknown[] = [];
    let after = '';
    do {
      const page = await list(gateway.adminKey, `limit=2${after}`);
      seen.push(...asList(page.data).map(({ id }) => id));
      after = page.next === null ? '' : `&after=${page.next}`;
    } while (after !== '');
    expect(seen).toEqual(await ids(gateway.adminKey));
  });

  test('says what each cost, how long it took and how it ended', async () => {
    const [one] = asList((await list(gateway.adminKey, 'id=one')).data);
    expect(one).toMatchObject({
      ...{ tenant: 'acme', model: 'plain', provider: 'simulator', status: 200, outcome: 'done', attempts: 1 },
      ...{ error: null, estimated: false, count: 1, first_event_ms: null },
    });
    expect(one?.cost).toMatch(/^0\.0000\d+$/);
    expect(asList((await list(gateway.adminKey, 'id=two')).data)[0]?.first_event_ms).toBeNumber();
    const [five] = asList((await list(gateway.adminKey, 'status=429')).data);
    expect(five).toMatchObject({ id: 'five', provider: null, outcome: 'rejected', attempts: 0, cost: '0' });
  });

  test.each([
    ['tag=team%3Dblue', ['two']],
    ['status=4xx', ['six', 'five']],
    ['error=model_not_found', ['six']],
    ['tenant=else', ['four']],
    ['provider=simulator&tenant=acme', ['three', 'two', 'one']],
    ['min_cost=1', []],
    ['min_duration_ms=999999', []],
    ['to=2020-01-01T00:00:00Z&from=2019-01-01T00:00:00Z', []],
  ])('finds by %s', async (parameters, expected) => {
    expect(await ids(gateway.adminKey, parameters)).toEqual(expected);
  });

  test('has the tenant for its administrators, and oneself for other members', async () => {
    expect((await ids(sessions.get('boss'))).toSorted()).toEqual(['five', 'one', 'six', 'three', 'two']);
    expect((await ids(sessions.get('dev'))).toSorted()).toEqual(['one', 'six', 'two']);
    expect(await ids(sessions.get('money'))).toEqual([]);
    for (const [name, parameters, status] of [
      ['boss', 'tenant=else', 404],
      ['dev', 'user=someone', 403],
      ['dev', 'status=1000', 400],
      ['dev', 'after=nonsense', 400],
      ['dev', 'min_cost=much', 400],
    ] as const) {
      const path = `/admin/v1/requests?${parameters}`;
      expect((await gateway.call('GET', path, { key: sessions.get(name) })).status).toBe(status);
    }
  });
});

describe('one request', () => {
  const get = (name: string, id: string) =>
    gateway.call('GET', `/admin/v1/requests/${id}`, { key: sessions.get(name) ?? gateway.adminKey });

  test('has its routing decision, and its price line by line', async () => {
    const { body } = await get('boss', 'one');
    expect(body).toMatchObject({
      source: 'memory',
      outcome: 'done',
      looks: [{ model: 'plain', because: 'asked' }],
    });
    const lines = asList(body.price);
    expect(lines).toMatchObject([
      { of: 'input', usd_per_million: '0.15' },
      { of: 'output', usd_per_million: '0.6' },
    ]);
    const sum = lines.reduce((total, { cost }) => total + Number(cost), 0);
    const [row] = asList((await list(gateway.adminKey, 'id=one')).data);
    expect(sum).toBeCloseTo(Number(row?.cost), 15);
  });

  test('is shown to those who may see it', async () => {
    expect((await get('dev', 'one')).status).toBe(200);
    expect((await get('dev', 'three')).status).toBe(404);
    expect((await get('boss', 'four')).status).toBe(404);
    expect((await get('platform', 'four')).status).toBe(200);
    expect((await get('platform', 'none')).status).toBe(404);
  });

  test('is kept by usage when the process no longer remembers it', async () => {
    for (let index = 0; index < 2_000; index += 1) await chat('else', `newer-${index}`, { model: 'missing' });
    const { body } = await get('boss', 'one');
    expect(body).toMatchObject({
      ...{ source: 'usage', tenant: 'acme', model: 'plain', status: 200, outcome: 'done' },
      attempts: [{ provider: 'simulator', outcome: 'done' }],
    });
    expect(asList(body.price)).toHaveLength(2);
    expect((await get('dev', 'three')).status).toBe(404);
  }, 60_000);
});
