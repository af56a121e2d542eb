import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { asObject } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
let organisation: Organisation;
const sessions = new Map<string, string>();
let key = '';

const problems = async (name?: string) => {
  const { body, status, text } = await gateway.call('GET', '/admin/v1/overview', {
    key: name === undefined ? gateway.adminKey : sessions.get(name),
  });
  if (status !== 200) throw new Error(text);
  return Array.isArray(body.problems) ? body.problems.map(asObject) : [];
};

beforeAll(async () => {
  gateway = await gatewayInProcess({
    env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
    config: {
      models: [{ id: 'plain', targets: [{ provider: 'simulator', model: 'simulator' }] }],
    },
  });
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme', tier: null });
  for (const [name, role] of [
    ['dev', 'developer'],
    ['money', 'billing'],
  ] as const) {
    await organisation.member('acme', name, role);
    sessions.set(name, await organisation.session('acme', name));
  }
  const limits = [{ of: 'requests', per: 'day', max: 5 }];
  key = String((await organisation.key('acme', { name: 'robot', limits })).key);
}, 60_000);
afterAll(() => gateway?.close());

test('is empty while nothing is wrong', async () => {
  expect(await problems()).toEqual([]);
});

test('has quotas that are nearly used, for those who see the billing of the tenant', async () => {
  const body = { model: 'plain', messages: [{ role: 'user', content: 'Hi' }] };
  for (let index = 0; index < 4; index += 1)
    await gateway.call('POST', '/v1/chat/completions', { key, body });
  const near = { kind: 'limit', severity: 'warning', subject: 'robot', tenant: 'acme' };
  expect(await problems()).toMatchObject([{ ...near, details: { used: 4, max: 5, percent: 80 } }]);
  expect(await problems('money')).toMatchObject([near]);
  expect(await problems('dev')).toEqual([]);
  await gateway.call('POST', '/v1/chat/completions', { key, body });
  expect(await problems('money')).toMatchObject([{ ...near, severity: 'failing' }]);
});

test('has targets that get no requests, for the platform only', async () => {
  await organisation.done('POST', '/admin/v1/targets', {
    ...{ provider: 'simulator', model: 'simulator', override: 'disable' },
  });
  const [first] = (await problems()).filter(({ kind }) => kind === 'target_unavailable');
  expect(first).toMatchObject({ severity: 'warning', subject: 'simulator/simulator', tenant: null });
  expect((await problems('money')).map(({ kind }) => kind)).toEqual(['limit']);
});

test('has webhooks that were disabled, for those who see the events of the tenant', async () => {
  const receiver = createServer((_, response) => response.writeHead(410).end());
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  const url = `http://127.0.0.1:${address.port}/`;
  const base = '/admin/v1/tenants/acme/webhooks';
  const { id } = await organisation.done('POST', base, { url, events: ['budget.*'] });
  await organisation.done('POST', `${base}/${id}/test`);
  receiver.close();
  const of = async (name?: string) => (await problems(name)).filter(({ kind }) => kind === 'webhook');
  expect(await of()).toMatchObject([
    {
      ...{ severity: 'failing', subject: url, tenant: 'acme', details: { webhook: id } },
      message: expect.stringContaining(`The webhook ${url} of acme is disabled`),
    },
  ]);
  expect(await of('money')).toEqual([]);
});
