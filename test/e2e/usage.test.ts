import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { hangAfter } from '../support/scripts.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { chat, completion, eventually, post, provider } from './harness.ts';
import { admin, dataOf, done } from './helpers/admin.ts';

/** The mock tells 3 tokens of input and 2 of output for each. */
const config = (url: string, more: object = {}) => ({
  providers: [
    provider({ id: 'a', url }),
    provider({ id: 'b', url }),
    { id: 'c', kind: 'anthropic', base_url: url, api_key: 'sk-c', discover: false },
    { id: 'o', kind: 'openai', base_url: `${url}/v1`, api_key: 'sk-o', discover: false },
  ],
  models: [
    { id: 'chat', targets: [{ provider: 'a', model: 'up' }] },
    { id: 'claude', targets: [{ provider: 'c', model: 'claude-x' }] },
    { id: 'responses', targets: [{ provider: 'o', model: 'gpt-x' }] },
    { id: 'other', targets: [{ provider: 'b', model: 'up-other' }] },
    {
      id: 'narrow',
      limits: [{ of: 'requests', per: 'day', max: 2 }],
      targets: [{ provider: 'a', model: 'up' }],
    },
    {
      id: 'two',
      strategy: 'weighted',
      targets: [
        { provider: 'a', model: 'first', weight: 1000, limits: [{ of: 'requests', per: 'day', max: 2 }] },
        { provider: 'b', model: 'second', weight: 0, tier: 1 },
        { provider: 'b', model: 'third', weight: 1, tier: 1 },
      ],
    },
  ],
  prices: [
    { model: 'up', tenant: 'vip', input: '0.5', output: '5' },
    { model: 'up', until: '2020-01-01', input: '100', output: '100' },
    { model: 'up', from: '2020-01-01', input: '1', output: '10' },
  ],
  ...more,
});

describe('usage', () => {
  let mock: MockUpstream;
  let gateway: Gateway;
  beforeAll(async () => {
    mock = await startMockUpstream();
    mock.respondAlways(completion());
    gateway = await startGateway({ config: config(mock.url) });
  });
  afterAll(async () => {
    await gateway?.stop();
    await mock?.close();
  });
  const ask = (key: string, model = 'chat', tags = '') =>
    post(gateway, chat({ model, max_tokens: 5 }), {
      headers: { authorization: `Bearer ${key}`, 'x-weir-tags': tags },
    });
  const tenant = async (id: string) => {
    await done(gateway, 'POST', '/tenants', { id, tier: null });
    const account = await done(gateway, 'POST', `/tenants/${id}/service-accounts`, {
      name: 'batch',
      role: 'developer',
    });
    const { key, id: keyId } = await done(gateway, 'POST', `/tenants/${id}/keys`, {
      name: 'k',
      member: account.id,
    });
    return { key: String(key), keyId: String(keyId), member: String(account.id) };
  };
  const usage = (path: string, query = '') => done(gateway, 'GET', `${path}/usage?${query}`);

  test('is reported by key, user, model, provider, tag and time, with its cost', async () => {
    const { key, keyId, member } = await tenant('acme');
    for (const [model, tags] of [
      ['chat', 'team=a,env=x'],
      ['chat', 'team=b'],
      ['other', 'team=a'],
    ] as const) {
      expect((await ask(key, model, tags)).status).toBe(200);
    }
    const total = async () => dataOf(await usage('/tenants/acme'))[0] ?? {};
    await eventually('it is stored', async () => (await total()).requests === 3);
    expect(await total()).toEqual({
      start: null,
      ...{ requests: 3, attempts: 3, failures: 0, input_tokens: 9, output_tokens: 6, cached_tokens: 0 },
      ...{
        cache_write_tokens: 0,
        reasoning_tokens: 0,
        cost: '0.000046',
        input_cost: '0.000006',
        output_cost: '0.00004',
        unpriced_attempts: 1,
        estimated_attempts: 0,
      },
    });
    const by = async (query: string) => dataOf(await usage('/tenants/acme', query));
    expect(await by('group_by=model,provider')).toMatchObject([
      { model: 'chat', provider: 'a', requests: 2 },
      { model: 'other', provider: 'b', requests: 1 },
    ]);
    expect(await by('group_by=key,user')).toMatchObject([{ key: keyId, user: member, requests: 3 }]);
    expect(await by('group_by=tag')).toMatchObject([
      { tag: 'env=x', requests: 1 },
      { tag: 'team=a', requests: 2 },
      { tag: 'team=b', requests: 1 },
    ]);
    expect(await by('tag=team=a&group_by=model')).toMatchObject([{ model: 'chat' }, { model: 'other' }]);
    expect(await by('model=other')).toMatchObject([{ requests: 1, cost: '0' }]);
    const hours = await by('interval=hour');
    expect(hours.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(3);
    expect(String(hours[0]?.start)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/);
    expect(await by('from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z')).toEqual([]);
    expect(dataOf(await usage('', 'tenant=acme&group_by=model'))).toMatchObject([
      { tenant: 'acme' },
      { tenant: 'acme' },
    ]);
    const { last_used_at } = await done(gateway, 'GET', `/tenants/acme/keys/${keyId}`);
    expect(Date.parse(String(last_used_at))).toBeGreaterThan(Date.now() - 60_000);
  });

  test('can be looked at attempt by attempt, page by page', async () => {
    const { key, keyId } = await tenant('detail');
    for (const tags of ['team=a', 'team=b', 'team=a'])
      expect((await ask(key, 'chat', tags)).status).toBe(200);
    const events = (query: string) => done(gateway, 'GET', `/tenants/detail/usage/events?${query}`);
    await eventually('they are stored', async () => dataOf(await events('')).length === 3);
    const first = await events('limit=2');
    expect(first.has_more).toBe(true);
    const second = await events(`limit=2&after=${String(first.next)}`);
    expect([dataOf(first).length, dataOf(second).length, second.next]).toEqual([2, 1, null]);
    const all = [...dataOf(first), ...dataOf(second)];
    expect(new Set(all.map(({ request_id }) => request_id)).size).toBe(3);
    expect(all[0]).toMatchObject({
      ...{ key: keyId, model: 'chat', provider: 'a', upstream_model: 'up', status: 200, outcome: 'done' },
      ...{ counts_as_request: true, input_tokens: 3, output_tokens: 2, cost: '0.000023', estimated: false },
    });
    expect(dataOf(await events('tag=team=b'))).toMatchObject([{ tags: ['team=b'] }]);
    expect(dataOf(await events('to=2020-01-01T00:00:00Z'))).toEqual([]);
    expect(await admin(gateway, 'GET', '/tenants/detail/usage/events?after=nonsense')).toMatchObject({
      status: 400,
    });
  });

  test('is a table for a spreadsheet, in which nothing is a formula', async () => {
    const { key } = await tenant('csv');
    await ask(key);
    await eventually('it is stored', async () => dataOf(await usage('/tenants/csv'))[0]?.requests === 1);
    const response = await fetch(`${gateway.url}/admin/v1/tenants/csv/usage?format=csv&group_by=model`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [head, row, end] = (await response.text()).split('\r\n');
    expect(head?.split(',').slice(0, 3)).toEqual(['start', 'model', 'requests']);
    expect([row?.split(',').slice(0, 3), end]).toEqual([['', 'chat', '1'], '']);
  });

  test('is grouped by several parameters, with names, in days and months of the tenant', async () => {
    const { key, keyId, member } = await tenant('named');
    await done(gateway, 'PATCH', '/tenants/named', { time_zone: 'Pacific/Kiritimati' });
    await ask(key);
    await eventually('it is stored', async () => dataOf(await usage('/tenants/named'))[0]?.requests === 1);
    const named = { key: keyId, key_name: 'k', user: member, user_name: 'batch', model: 'chat', requests: 1 };
    for (const query of ['group_by=key&group_by=user,model', 'group_by=key,user,model']) {
      expect(dataOf(await usage('/tenants/named', query))).toMatchObject([named]);
    }
    const report = await usage('/tenants/named', 'interval=month&group_by=key');
    expect(report.time_zone).toBe('Pacific/Kiritimati');
    // The month there begins 14 hours before that of UTC.
    const [month] = dataOf(report);
    expect(String(month?.start)).toEndWith('T10:00:00.000Z');
    expect(String(month?.period)).toMatch(/^\d{4}-\d\d$/);
    const [day] = dataOf(await usage('/tenants/named', `interval=day&from=${String(month?.period)}`));
    expect(String(day?.period)).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(String(day?.start)).toEndWith('T10:00:00.000Z');
    const [utc] = dataOf(await usage('/tenants/named', 'interval=day&time_zone=UTC'));
    expect(String(utc?.start)).toEndWith('T00:00:00.000Z');
    expect((await admin(gateway, 'GET', '/tenants/named/usage?model=a&model=b')).status).toBe(400);
  });

  test('is a table with the same head when it is empty', async () => {
    await tenant('empty');
    const table = async (path: string) => {
      const response = await fetch(`${gateway.url}/admin/v1${path}`, {
        headers: { authorization: `Bearer ${gateway.adminKey}` },
      });
      return (await response.text()).split('\r\n');
    };
    const query = 'format=csv&group_by=key&interval=day&from=2026-01-01&to=2026-02-01';
    const sums =
      'requests,attempts,failures,input_tokens,output_tokens,cached_tokens,cache_write_tokens,reasoning_tokens,cost,input_cost,output_cost,unpriced_attempts,estimated_attempts';
    expect(await table(`/tenants/empty/usage?${query}`)).toEqual([`start,period,key,key_name,${sums}`, '']);
    expect((await table(`/usage?${query}`))[0]).toBe(`start,period,tenant,key,key_name,${sums}`);
  });

  test('of a key is shown to the key, and of no other', async () => {
    const [own, other] = [await tenant('own'), await tenant('foreign')];
    await ask(own.key);
    await ask(other.key);
    const shown = async (query = '') => {
      const response = await fetch(`${gateway.url}/v1/usage?${query}`, {
        headers: { authorization: `Bearer ${own.key}` },
      });
      return { status: response.status, body: await response.json() };
    };
    await eventually('it is stored', async () => (await shown()).body.data?.[0]?.requests === 1);
    expect((await shown(`key=${other.keyId}`)).body.data).toMatchObject([{ requests: 1 }]);
    expect((await shown('group_by=tag')).status).toBe(400);
  });

  test.each([
    'from=yesterday',
    'interval=week',
    'group_by=colour',
    'group_by=tag,key',
    'format=xml',
    'from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    'interval=hour&from=2025-01-01T00:00:00Z',
  ])('cannot be requested by %s', async (query) => {
    expect((await admin(gateway, 'GET', `/tenants/default/usage?${query}`)).status).toBe(400);
  });

  test('costs what the first price says that fits the tenant and the day', async () => {
    const { key } = await tenant('vip');
    expect((await ask(key)).headers.get('x-weir-cost')).toBe('0.0000115');
    const usual = await tenant('usual');
    expect((await ask(usual.key)).headers.get('x-weir-cost')).toBe('0.000023');
    expect((await ask(usual.key, 'other')).headers.get('x-weir-cost')).toBeNull();
  });

  test('is quoted before a request is sent', async () => {
    const { key } = await tenant('quote');
    const before = mock.requests.length;
    const estimate = async (body: string) => {
      const response = await post(gateway, body, {
        path: '/v1/estimate',
        headers: { authorization: `Bearer ${key}` },
      });
      return { status: response.status, body: await response.json() };
    };
    const { status, body } = await estimate(chat({ max_tokens: 100 }));
    expect([status, body]).toMatchObject([
      200,
      { model: 'chat', max_output_tokens: 100, estimated: true, currency: 'USD' },
    ]);
    const input = body.input_tokens;
    expect(input).toBeGreaterThan(0);
    expect(body.targets).toEqual([
      {
        provider: 'a',
        model: 'up',
        input_cost: (input / 1e6).toFixed(6).replace(/0+$/, ''),
        max_cost: ((input + 1000) / 1e6).toFixed(6).replace(/0+$/, ''),
      },
    ]);
    expect((await estimate(chat({ model: 'nothing' }))).status).toBe(404);
    expect((await estimate('{"model":"chat"}')).status).toBe(400);
    expect(mock.requests.length).toBe(before);
  });

  test('of a model and of a target may be limited, over all tenants', async () => {
    const [one, two] = [await tenant('m1'), await tenant('m2')];
    const statuses = [];
    for (const { key } of [one, two, one, two]) statuses.push((await ask(key, 'narrow')).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const models = [];
    for (const { key } of [one, two, one, two])
      models.push((await ask(key, 'two')).headers.get('x-weir-model'));
    expect(models).toEqual(['first', 'first', 'third', 'third']);
  });

  test('of a stream that its client cut is counted in every format, and marked', async () => {
    const { key } = await tenant('cut');
    const words = ['The', ' quick', ' brown', ' fox'];
    const send = async (path: string, body: object, pieces: readonly string[]) => {
      mock.respond(hangAfter(pieces));
      const controller = new AbortController();
      const response = await post(gateway, JSON.stringify(body), {
        path,
        headers: { authorization: `Bearer ${key}`, 'anthropic-version': '2023-06-01' },
        signal: controller.signal,
      });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let seen = '';
      while (reader && !seen.includes(' fox')) seen += (await reader.read()).value ?? '';
      controller.abort();
      await reader?.cancel().catch(() => undefined);
    };
    const event = (name: string, data: object) =>
      `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;
    const messages = [{ role: 'user', content: 'Hi' }];
    await send('/v1/messages', { model: 'claude', max_tokens: 9, stream: true, messages }, [
      event('message_start', {
        message: {
          id: 'm',
          type: 'message',
          role: 'assistant',
          model: 'claude-x',
          content: [],
          usage: { input_tokens: 7, output_tokens: 1 },
        },
      }),
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...words.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    ]);
    const response = { id: 'resp_1', object: 'response', status: 'in_progress', model: 'gpt-x', output: [] };
    await send('/v1/responses', { model: 'responses', stream: true, store: false, input: 'Hi' }, [
      event('response.created', { sequence_number: 0, response }),
      ...words.map((delta, index) =>
        event('response.output_text.delta', {
          sequence_number: index + 1,
          item_id: 'i',
          output_index: 0,
          content_index: 0,
          delta,
        }),
      ),
    ]);
    const by = async () => dataOf(await usage('/tenants/cut', 'group_by=model'));
    await eventually('both are stored', async () => (await by()).length === 2);
    // Claude's vocabulary is taken to need a fifth more than the one that is counted with.
    expect(await by()).toMatchObject([
      { model: 'claude', input_tokens: 7, output_tokens: 5, estimated_attempts: 1 },
      { model: 'responses', output_tokens: 4, estimated_attempts: 1 },
    ]);
  });

  test('a budget below what is spent is refused', async () => {
    const { key, keyId } = await tenant('spent');
    const limits = (max: string) => ({ limits: [{ of: 'cost', per: 'month', max }] });
    await done(gateway, 'PATCH', `/tenants/spent/keys/${keyId}`, limits('1'));
    await ask(key);
    const below = await admin(gateway, 'PATCH', `/tenants/spent/keys/${keyId}`, limits('0.00001'));
    expect(below).toMatchObject({
      status: 400,
      body: { error: { param: 'limits', message: expect.stringContaining('0.000023') } },
    });
    await done(gateway, 'PATCH', `/tenants/spent/keys/${keyId}`, limits('0.5'));
    const counterState = dataOf(await done(gateway, 'GET', `/tenants/spent/limits?key=${keyId}`));
    expect(counterState).toMatchObject([
      { scope: 'key', of: 'cost', max: '0.5', used: '0.000023', remaining: '0.499977' },
    ]);
  });
});

describe.skipIf(!hasPostgres)('a tenant that is placed on another server', () => {
  test('has its database there', async () => {
    const postgres = await sharedPostgres();
    const [here, there] = [await postgres.freshUrl(), await postgres.freshUrl()];
    const gateway = await startGateway({
      config: { storage: { servers: [{ id: 'eu', database_url: there, replica_url: there }] } },
      env: { DATABASE_URL: here },
    });
    try {
      expect(await done(gateway, 'POST', '/tenants', { id: 'european', server: 'eu' })).toMatchObject({
        server: 'eu',
      });
      const { key } = await done(gateway, 'POST', '/tenants/european/keys', { name: 'k' });
      const response = await post(gateway, chat({ model: 'simulator' }), {
        headers: { authorization: `Bearer ${String(key)}` },
      });
      expect(response.status).toBe(200);
      await eventually('its usage is there', async () => {
        const [sums] = dataOf(await done(gateway, 'GET', '/tenants/european/usage'));
        return sums?.requests === 1;
      });
      await done(gateway, 'DELETE', '/tenants/european');
    } finally {
      await gateway.stop();
    }
  });
});
