import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { listenCommand, triggerCommand } from '../../src/cli/listen.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { done } from './helpers/admin.ts';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const received: Received[] = [];
let status = 204;
const receiver = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    received.push({
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(parts).toString(),
    });
    response.writeHead(status).end();
  });
});
let gateway: Gateway;
let base = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  gateway = await startGateway({ env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' } });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  receiver.closeAllConnections();
  receiver.close();
});

async function until<T>(find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    // Not sooner: a loop without pauses would take the processor from the gateway.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The events of one type that arrived at a path, verified by the reference library. */
const arrived = (path: string, type: string, secret: string) =>
  received
    .filter((one) => one.path === path)
    .map(({ body, headers }) => new Webhook(secret).verify(body, { ...headers } as Record<string, string>))
    .map(
      (event) => event as { id: string; type: string; tenant: string | null; data: Record<string, unknown> },
    )
    .filter((event) => event.type === type);

test('changes arrive at the endpoints of their tenant and of the installation, signed', async () => {
  const own = await done(gateway, 'POST', '/tenants/default/webhooks', {
    url: `${base}/own`,
    events: ['api_key.*'],
  });
  const platform = await done(gateway, 'POST', '/webhooks', { url: `${base}/platform`, events: ['*'] });
  await done(gateway, 'POST', '/tenants', { id: 'acme', name: 'Acme' });
  const key = await done(gateway, 'POST', '/tenants/default/keys', { name: 'hooked' });
  await done(gateway, 'DELETE', `/tenants/default/keys/${String(key.id)}`);
  const [secret, platformSecret] = [String(own.secret), String(platform.secret)];
  const revoked = await until(() => arrived('/own', 'api_key.revoked', secret)[0]);
  expect(revoked).toMatchObject({ tenant: 'default', data: { key: key.id, name: 'hooked' } });
  const created = arrived('/own', 'api_key.created', secret).filter(({ data }) => data.key === key.id);
  expect(created).toHaveLength(1);
  await until(() => arrived('/platform', 'api_key.revoked', platformSecret)[0]);
  // Another subject: it may arrive later.
  const tenant = await until(() => arrived('/platform', 'tenant.created', platformSecret)[0]);
  expect(tenant).toMatchObject({ data: { tenant: 'acme' } });
  // A deleted webhook gets nothing more.
  await done(gateway, 'DELETE', `/webhooks/${String(platform.id)}`);
}, 30_000);

test('the log of deliveries, redelivery with the same id, rotation and a test event', async () => {
  const made = await done(gateway, 'POST', '/tenants/default/webhooks', {
    url: `${base}/log`,
    events: ['budget.*'],
  });
  const at = `/tenants/default/webhooks/${String(made.id)}`;
  await done(gateway, 'POST', '/tenants/default/events/trigger', { type: 'budget.exceeded' });
  const [first] = await until(() => {
    const found = arrived('/log', 'budget.exceeded', String(made.secret));
    return found.length > 0 ? found : undefined;
  });
  const rotated = await done(gateway, 'POST', `${at}/rotate`, { overlap_hours: 1 });
  let list = await done(gateway, 'GET', `${at}/deliveries`);
  // The row is updated after the response was sent.
  while (JSON.stringify(list).includes('pending')) list = await done(gateway, 'GET', `${at}/deliveries`);
  const [delivery] = list.data as { id: string; event: string; state: string }[];
  expect(delivery).toMatchObject({
    event: first?.id,
    state: 'delivered',
    type: 'budget.exceeded',
    attempts: 1,
  });
  await done(gateway, 'POST', `${at}/deliveries/${delivery?.id}/redeliver`);
  await until(() => arrived('/log', 'budget.exceeded', String(made.secret))[1]);
  // Both secrets verify it.
  const again = received.findLast(({ path }) => path === '/log');
  const headers = { ...again?.headers } as Record<string, string>;
  expect(new Webhook(String(rotated.secret)).verify(again?.body ?? '', headers)).toMatchObject({
    id: first?.id,
  });
  status = 503;
  const tested = await done(gateway, 'POST', `${at}/test`);
  status = 204;
  expect(tested).toMatchObject({
    type: 'webhook.test',
    state: 'failed',
    log: [{ status: 503, error: 'HTTP 503' }],
  });
  const shown = await done(gateway, 'GET', at);
  expect(JSON.stringify(shown)).not.toContain('whsec_');
  const types = await done(gateway, 'GET', '/events/types');
  expect(JSON.stringify(types)).toContain('"invoice.issued"');
  const events = await done(gateway, 'GET', '/tenants/default/events?type=budget.exceeded&limit=1');
  expect(events.data).toMatchObject([{ type: 'budget.exceeded', test: true, tenant: 'default' }]);
}, 30_000);

test('a quota of a key is reported once for each share, by the recorded usage', async () => {
  const made = await done(gateway, 'POST', '/tenants/default/webhooks', {
    url: `${base}/quota`,
    events: ['quota.*'],
  });
  const limits = [{ of: 'requests', per: 'day', max: 4 }];
  const key = await done(gateway, 'POST', '/tenants/default/keys', { name: 'limited', limits });
  for (let request = 0; request < 5; request += 1) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${String(key.key)}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'simulator',
        messages: [{ role: 'user', content: 'hi' }],
        max_tokens: 2,
      }),
    });
    expect(response.status).toBe(request < 4 ? 200 : 429);
  }
  const secret = String(made.secret);
  const exceeded = await until(() => arrived('/quota', 'quota.exceeded', secret)[0]);
  expect(exceeded).toMatchObject({
    ...{ tenant: 'default', subject: `limit:key:${String(key.id)}:requests:day` },
    data: { scope: 'key', id: key.id, of: 'requests', per: 'day', used: 4, max: 4 },
  });
  const shares = arrived('/quota', 'quota.threshold_reached', secret).map(({ data }) => data.percent);
  expect(shares).toEqual([50, 80, 90]);
}, 30_000);

test('weir listen forwards what weir trigger makes', async () => {
  const env = { WEIR_ADMIN_KEY: gateway.adminKey };
  const lines: string[] = [];
  const output = {
    out: (text: string) => lines.push(text),
    err: (text: string) => lines.push(text),
    colour: false,
  };
  const api = { url: gateway.url, tenant: 'default' };
  const end = new AbortController();
  const options = { ...api, forwardTo: `${base}/listen`, event: ['quota.*'], count: '2' };
  const listening = listenCommand(env, output, options, end.signal);
  await until(() => lines.find((line) => line.startsWith('Connected')));
  for (const type of ['quota.exceeded', 'budget.reset', 'quota.reset'])
    await triggerCommand(env, output, type, api);
  await listening;
  const secret = lines.find((line) => line.startsWith('Signing secret'))?.split(': ')[1] ?? '';
  expect(arrived('/listen', 'quota.exceeded', secret)).toHaveLength(1);
  expect(arrived('/listen', 'budget.reset', secret)).toHaveLength(0);
  expect(lines.filter((line) => line.includes('->')).map((line) => line.replace(/evt_\w+/, 'ID'))).toEqual([
    'quota.exceeded  ID  -> 204',
    'quota.reset  ID  -> 204',
  ]);
  await expect(triggerCommand(env, output, 'no.event', api)).rejects.toThrow('400');
  await expect(triggerCommand({}, output, 'budget.reset', api)).rejects.toThrow('WEIR_ADMIN_KEY');
}, 30_000);
