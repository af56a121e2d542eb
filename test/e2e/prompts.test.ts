import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { asObject } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
const sessions = new Map<string, string>();

const PATH = '/admin/v1/tenants/acme/prompts';
const hello = [{ role: 'user', content: 'Hello.' }];

const as = (
  name: string,
  method: string,
  path = '',
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
) => gateway.call(method, PATH + path, { key: sessions.get(name), body, headers });
const save = async (name: string, body: Readonly<Record<string, unknown>> = {}) => {
  const result = await as('dev', 'POST', '', { name, messages: hello, ...body });
  expect([result.status, result.text]).toEqual([201, result.text]);
  return { id: String(result.body.id), ...result };
};
const listed = async (query = '') => {
  const { body } = await as('dev', 'GET', query);
  return Array.isArray(body.data) ? body.data.map(asObject) : [];
};

beforeAll(async () => {
  gateway = await gatewayInProcess();
  const organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme' });
  for (const [name, role] of [
    ['dev', 'developer'],
    ['other', 'developer'],
    ['admin', 'admin'],
  ] as const) {
    await organisation.member('acme', name, role);
    sessions.set(name, await organisation.session('acme', name));
  }
}, 60_000);
afterAll(() => gateway?.close());

describe('a saved prompt', () => {
  test('keeps what it sends, and who saved it', async () => {
    const content = {
      ...{ model: 'chat', messages: [{ role: 'system', content: 'Be short.' }, ...hello] },
      ...{ parameters: { temperature: 0.2 }, schema: { type: 'object' } },
      tools: [{ type: 'function', function: { name: 'look' } }],
    };
    const { id, headers } = await save('Whole', content);
    expect(headers.get('etag')).toBe('"1"');
    const { body } = await as('other', 'GET', `/${id}`);
    expect(body).toMatchObject({ ...content, name: 'Whole', latest: 1, readable: true });
    expect(body).toMatchObject({ created_by_name: 'dev', saved_by_name: 'dev', shown: { number: 1 } });
  });

  test('has versions, of which the name is no part', async () => {
    const { id } = await save('Versions');
    const second = [{ role: 'user', content: 'Hello again.' }];
    const changed = await as('other', 'PATCH', `/${id}`, { messages: second }, { 'if-match': '"1"' });
    expect([changed.status, changed.body.latest, changed.headers.get('etag')]).toEqual([200, 2, '"2"']);
    expect(changed.body).toMatchObject({ created_by_name: 'dev', saved_by_name: 'other' });
    // The same content is no new version, and a name is none either.
    expect((await as('dev', 'PATCH', `/${id}`, { messages: second })).body.latest).toBe(2);
    expect((await as('dev', 'PATCH', `/${id}`, { name: 'Renamed' })).body).toMatchObject({
      ...{ latest: 2, name: 'Renamed', messages: second },
    });
    expect((await as('dev', 'GET', `/${id}?version=1`)).body).toMatchObject({
      messages: hello,
      shown: { number: 1, saved_by_name: 'dev' },
    });
    expect((await as('dev', 'GET', `/${id}?version=3`)).status).toBe(404);
    const { body } = await as('dev', 'GET', `/${id}/versions`);
    expect(body.data).toMatchObject([
      { number: 2, saved_by_name: 'other' },
      { number: 1, saved_by_name: 'dev' },
    ]);
  });

  test('keeps its latest 20 versions', async () => {
    const { id } = await save('Many');
    for (let number = 2; number <= 23; number += 1)
      await as('dev', 'PATCH', `/${id}`, { messages: [{ role: 'user', content: `Number ${number}` }] });
    const { body } = await as('dev', 'GET', `/${id}/versions`);
    const numbers = Array.isArray(body.data) ? body.data.map((one) => asObject(one).number) : [];
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => 23 - index));
  });

  test('is not overwritten by someone who saw an earlier one', async () => {
    const { id } = await save('Seen');
    await as('other', 'PATCH', `/${id}`, { name: 'Seen by other' });
    const late = await as('dev', 'PATCH', `/${id}`, { name: 'Late' }, { 'if-match': '"1"' });
    expect([late.status, late.headers.get('etag')]).toEqual([412, '"2"']);
    expect((await as('dev', 'DELETE', `/${id}`, undefined, { 'if-match': '"1"' })).status).toBe(412);
  });

  test('is deleted by who made it, or by an administrator', async () => {
    const [own, others] = [await save('Own'), await save('Others')];
    const denied = await as('other', 'DELETE', `/${own.id}`);
    expect([denied.status, denied.text]).toEqual([403, expect.stringContaining('tenant:write')]);
    expect((await as('dev', 'DELETE', `/${own.id}`)).status).toBe(204);
    expect((await as('admin', 'DELETE', `/${others.id}`)).status).toBe(204);
    for (const path of [`/${own.id}`, `/${own.id}/versions`])
      expect((await as('dev', 'GET', path)).status).toBe(404);
  });

  test('has a name of its own, in any case', async () => {
    const { id } = await save('Unique');
    const taken = await as('dev', 'POST', '', { name: 'UNIQUE', messages: hello });
    expect([taken.status, asObject(taken.body.error).param]).toEqual([409, 'name']);
    await save('Second');
    expect((await as('dev', 'PATCH', `/${id}`, { name: 'second' })).status).toBe(409);
    expect((await as('dev', 'PATCH', `/${id}`, { name: 'unique' })).status).toBe(200);
  });
});

test('saved prompts are listed by name in pages, without what they say', async () => {
  for (const name of ['zebra 2', 'Zebra 1', 'zebra 3 %']) await save(name);
  const all = await listed('?name=ZEBRA');
  expect(all.map(({ name }) => name)).toEqual(['Zebra 1', 'zebra 2', 'zebra 3 %']);
  expect(JSON.stringify(all)).not.toContain('Hello.');
  const { body: first } = await as('dev', 'GET', '?name=zebra&limit=2');
  expect(first.has_more).toBe(true);
  expect(await listed(`?name=zebra&limit=2&after=${String(first.next)}`)).toMatchObject([
    { name: 'zebra 3 %' },
  ]);
});

test.each<[string, Readonly<Record<string, unknown>>]>([
  ['name', { name: '' }],
  ['name', { name: 'a\u202eb' }],
  ['messages', { messages: [] }],
  ['messages[0].role', { messages: [{ role: 'wizard', content: 'x' }] }],
  ['messages', { messages: [{ role: 'user', content: 'x'.repeat(300_000) }] }],
  ['tools', { tools: 'all' }],
])('a wrong %s is rejected', async (param, wrong) => {
  const { status, body } = await as('dev', 'POST', '', { name: 'Wrong', messages: hello, ...wrong });
  expect([status, asObject(body.error).param]).toEqual([400, param]);
});

test('a tenant has at most 500 saved prompts', async () => {
  const before = (await listed('?limit=200')).length;
  for (let index = before; index < 500; index += 1) await save(`Filler ${index}`);
  const { status, text } = await as('dev', 'POST', '', { name: 'One more', messages: hello });
  expect([status, text]).toEqual([409, expect.stringContaining('at most 500')]);
}, 30_000);
