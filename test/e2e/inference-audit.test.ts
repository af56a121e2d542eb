import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { chat, completion, eventually, mockConfig, streamed, weir } from './harness.ts';
import { dataOf, done } from './helpers/admin.ts';

let mock: MockUpstream;
let gateway: Gateway;
let key: string;
let keyId: string;
beforeAll(async () => {
  mock = await startMockUpstream();
  gateway = await startGateway({
    config: mockConfig(mock.url, { prices: [{ model: 'upstream-chat', input: '1', output: '2' }] }),
  });
  await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null, audit_requests: true });
  await done(gateway, 'POST', '/tenants', { id: 'other', tier: null });
  const made = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'app' });
  [key, keyId] = [String(made.key), String(made.id)];
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const entriesOf = async (tenant: string) =>
  dataOf(await done(gateway, 'GET', `/tenants/${tenant}/audit?action=inference.request&limit=200`));

async function send(body: string, id: string, secret = key): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', 'x-request-id': id },
    body,
  });
  return { status: response.status, text: await response.text() };
}

async function entryOf(id: string): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined;
  await eventually(`the entry of ${id}`, async () => {
    found = (await entriesOf('acme')).find((entry) => entry.request_id === id);
    return found !== undefined;
  });
  return found ?? {};
}

describe('a tenant that asks for it', () => {
  test('has an entry for each request, with digests that the client can compute', async () => {
    mock.respond(completion('Hello.'));
    const body = chat({ user: 'me' });
    const { text } = await send(body, 'audit-1');
    expect(await entryOf('audit-1')).toMatchObject({
      ...{ actor: `key:${keyId}`, actor_name: 'app', subject: 'model:chat', address: '127.0.0.1' },
      details: {
        ...{ endpoint: '/v1/chat/completions', provider: 'mock', upstream_model: 'upstream-chat' },
        ...{
          status: 200,
          outcome: 'done',
          latency_ms: expect.any(Number),
          input_tokens: 3,
          output_tokens: 2,
        },
        ...{ cost: '0.000007', request_sha256: sha256(body), response_sha256: sha256(text) },
      },
    });
    expect(JSON.stringify(await entriesOf('acme'))).not.toContain('Hello.');
  });

  test('has the digest of a stream as it was sent', async () => {
    mock.respond(streamed('Hel', 'lo.'));
    const { text } = await send(chat({ stream: true }), 'audit-2');
    expect(text).toContain('[DONE]');
    expect(await entryOf('audit-2')).toMatchObject({
      details: { status: 200, response_sha256: sha256(text) },
    });
  });

  test('has entries of requests that fail', async () => {
    mock.respond({ status: 500, body: '{"error":{"message":"planned"}}' });
    expect((await send(chat(), 'audit-3')).status).toBe(502);
    expect(await entryOf('audit-3')).toMatchObject({
      details: { status: 502, outcome: 'failed', error: 'upstream_error', response_sha256: null },
    });
    expect((await send('{"model":"nothing"}', 'audit-4')).status).toBeGreaterThanOrEqual(400);
    expect(await entryOf('audit-4')).toMatchObject({ details: { outcome: 'failed' } });
  });

  test('has them in the chain that is verified', async () => {
    const { code, stdout } = await weir(['audit', 'verify', '--tenant', 'acme'], {
      WEIR_DATA_DIR: gateway.dataDir,
    });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^acme .* valid$/m)]);
  }, 20_000);

  test('cannot end it: only the platform can', async () => {
    const email = 'owner@acme.test';
    const password = 'correct horse battery';
    await done(gateway, 'POST', '/users', { email, name: 'Owner', password });
    await done(gateway, 'POST', '/tenants/acme/members', { email, role: 'owner' });
    const signedIn = await fetch(`${gateway.url}/v1/auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    });
    const { session } = await signedIn.json();
    const change = (body: unknown) =>
      fetch(`${gateway.url}/admin/v1/tenants/acme`, {
        method: 'PATCH',
        headers: { authorization: `Bearer ${session}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const refused = await change({ audit_requests: false });
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('tenants:assign')]);
    expect((await change({ audit_requests: true, name: 'Acme' })).status).toBe(200);
    expect(await done(gateway, 'GET', '/tenants/acme')).toMatchObject({ audit_requests: true, name: 'Acme' });
  });
});

test('other tenants have none, until the command turns it on', async () => {
  const made = await done(gateway, 'POST', '/tenants/other/keys', { name: 'app' });
  mock.respond(completion());
  await send(chat(), 'other-1', String(made.key));
  await entryOf('audit-4');
  expect(await entriesOf('other')).toEqual([]);
  const env = { WEIR_DATA_DIR: gateway.dataDir };
  const { code, stderr } = await weir(['tenants', 'update', 'other', '--audit-requests', 'on'], env);
  expect([code, stderr]).toEqual([0, '']);
  await eventually('requests are audited', async () => {
    mock.respond(completion());
    await send(chat(), 'other-2', String(made.key));
    return (await entriesOf('other')).length > 0;
  });
  expect((await weir(['tenants', 'update', 'other', '--audit-requests', 'off'], env)).code).toBe(0);
  expect(await done(gateway, 'GET', '/tenants/other')).toMatchObject({ audit_requests: false });
}, 30_000);

test('an issued token is recorded', async () => {
  const token = await fetch(`${gateway.url}/v1/auth/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
  });
  const { access_token: secret } = await token.json();
  const all = dataOf(await done(gateway, 'GET', '/tenants/acme/audit?action=token.create'));
  expect(all).toMatchObject([{ actor: `key:${keyId}`, subject: `key:${keyId}` }]);
  expect(JSON.stringify(all)).not.toContain(String(secret));
});
