import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { eventually, weir } from './harness.ts';

/** A gateway that exports usage and logged requests to a receiver; the API and the commands. */

let receiver: Server;
let url: string;
let gateway: Gateway;
const received: Record<string, unknown>[] = [];
const traces: { type: string; body: Record<string, unknown> }[] = [];

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    if (request.url === '/broken') return void response.writeHead(400).end('no such table wr-secret-token');
    if (request.url === '/usage') {
      received.push(...JSON.parse(text));
      return void response.end();
    }
    traces.push(...JSON.parse(text).batch);
    response.writeHead(207).end(JSON.stringify({ successes: [], errors: [] }));
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  gateway = await startGateway({
    config: {
      exports: [
        { id: 'finance', type: 'http', url: `${url}/usage`, format: 'json', every: '1s' },
        {
          ...{ id: 'prompts', type: 'langfuse', source: 'request_log', url, every: '1s' },
          ...{ public_key: 'pk-lf-1', secret: 'sk-lf-1' },
        },
        {
          ...{ id: 'broken', type: 'http', url: `${url}/broken`, tenants: ['none'] },
          headers: { 'x-token': 'wr-secret-token' },
        },
      ],
    },
    env: { WEIR_WEBHOOKS_ALLOW_PRIVATE: '1' },
  });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  receiver?.close();
});

async function admin(method: string, path: string, body?: unknown) {
  const response = await fetch(`${gateway.url}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

test('usage and logged requests are exported, listed, tested, paused and rewound', async () => {
  expect((await admin('PATCH', '/tenants/default', { request_log: {} })).status).toBe(200);
  const { id } = await gateway.openai().chat.completions.create({
    model: 'simulator',
    messages: [{ role: 'user', content: 'Write to jo.doe@example.com, please.' }],
  });
  expect(id).toBeString();
  await eventually(
    'both records arrive',
    () => received.some(({ tenant }) => tenant === 'default') && traces.length > 0,
    60_000,
  );
  expect(received[0]).toMatchObject({ tenant: 'default', operation: 'chat', status: 200, requests: 1 });
  expect(traces.map(({ type }) => type)).toEqual(['trace-create', 'generation-create']);
  expect(traces[1]?.body).toMatchObject({
    input: { messages: [{ role: 'user', content: 'Write to [EMAIL], please.' }] },
    output: { object: 'chat.completion' },
  });

  // A position advances after the response of the receiver.
  await eventually(
    'the positions advance',
    async () => {
      const { body } = await admin('GET', '/tenants/default/exports');
      return body.data.every(({ sent }: { sent: number }) => sent === 1);
    },
    60_000,
  );
  const list = await admin('GET', '/exports');
  expect(list.body.data).toMatchObject([
    { id: 'finance', source: 'usage', destination: url, state: 'active', dropped: 0, last_error: null },
    { id: 'prompts', source: 'request_log', destination: url, waiting: { records: 0, more: false } },
    { id: 'broken', tenants: ['none'], sent: 0 },
  ]);
  expect(JSON.stringify(list.body)).not.toMatch(/sk-lf-1|pk-lf-1|wr-secret-token/);
  const ofTenant = await admin('GET', '/tenants/default/exports');
  expect(ofTenant.body.data).toMatchObject([
    { id: 'finance', tenant: 'default', failures: 0 },
    { id: 'prompts', tenant: 'default', sent: 1 },
  ]);
  expect((await admin('GET', '/exports/prompts/tenants')).body).toMatchObject({
    data: [{ tenant: 'default', sent: 1 }],
    has_more: false,
  });
  expect((await admin('GET', '/exports/none')).status).toBe(404);

  const trail = await admin('GET', '/tenants/default/audit?action=request_log.export');
  expect(trail.body.data).toMatchObject([{ actor: 'weir', subject: 'export:prompts' }]);

  const rejected = await admin('POST', '/exports/broken/test');
  expect(rejected.body).toMatchObject({
    ...{ delivered: false, error: 'HTTP 400', detail: 'no such table [SECRET]' },
  });
  expect((await admin('POST', '/exports/prompts/test')).body).toMatchObject({ delivered: true, error: null });

  expect((await admin('POST', '/exports/finance/pause')).body).toMatchObject({ state: 'paused' });
  const before = received.length;
  const rewound = await admin('POST', '/exports/finance/rewind', { from: '2020-01-01T00:00:00Z' });
  expect(rewound.body).toMatchObject({ state: 'paused', waiting: { records: 1 } });
  expect((await admin('POST', '/exports/finance/resume')).body).toMatchObject({ state: 'active' });
  await eventually('the record arrives again', () => received.length > before, 60_000);
  expect(received.at(-1)).toEqual(received[0] ?? {});
}, 120_000);

test('commands list exports and send a test record', async () => {
  const env = {
    WEIR_DATA_DIR: gateway.dataDir,
    WEIR_CONFIG: gateway.configPath,
    WEIR_WEBHOOKS_ALLOW_PRIVATE: '1',
  };
  const tested = await weir(['exports', 'test', 'finance'], env);
  expect([tested.code, tested.stderr]).toEqual([0, tested.stderr]);
  expect(received.at(-1)).toMatchObject({ id: 'ue_test', tenant: 'test', requests: 0 });
  const unknown = await weir(['exports', 'test', 'other'], env);
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('has no export "other"')]);
  const listed = await weir(['exports', 'list', '--json'], env);
  const usual = { tenant: 'default', dropped: 0, failures: 0, error: null };
  expect(JSON.parse(listed.stdout)).toEqual([
    expect.objectContaining({ ...usual, export: 'finance', source: 'usage' }),
    expect.objectContaining({ ...usual, export: 'prompts', source: 'request_log' }),
  ]);
}, 60_000);
