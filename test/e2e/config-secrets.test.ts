import { afterAll, beforeAll, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { vaultFixture } from '../support/secret-stores/vault.ts';

const vault = vaultFixture({ kv: 2, auth: 'token' });
/** What the upstream got as a credential. */
const credentials: string[] = [];
const upstream = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => {
    credentials.push(request.headers.get('authorization') ?? '');
    if (new URL(request.url).pathname.endsWith('/models')) return Response.json({ data: [{ id: 'm' }] });
    return Response.json({
      ...{ id: 'c', object: 'chat.completion', created: 1, model: 'm' },
      choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
  },
});
const base_url = `http://127.0.0.1:${upstream.port}/v1`;
const provider = (api_key: string) => ({
  id: 'one',
  kind: 'openai-compatible',
  base_url,
  api_key,
  discover: false,
});
let weir: InProcessGateway;

beforeAll(async () => {
  vault.put('weir', { one: 'sk-first-key', two: 'sk-second-provider' });
  weir = await gatewayInProcess({
    config: {
      secrets: { ...vault.settings, timeout: '2s' },
      providers: [provider('vault://team/secret/weir#one')],
      simulator: 'off',
    },
  });
});
afterAll(async () => {
  await weir.close();
  await upstream.stop(true);
  vault.close();
});

async function chat(model: string) {
  const body = { model, messages: [{ role: 'user', content: 'hi' }] };
  const { status } = await weir.call('POST', '/v1/chat/completions', { key: weir.adminKey, body });
  return { status, credential: credentials.at(-1) };
}

const admin = (method: string, path: string, body?: unknown) =>
  weir.call(method, `/admin/v1${path}`, { key: weir.adminKey, ...(body === undefined ? {} : { body }) });

test('a request carries the secret; the admin API shows the reference', async () => {
  expect(await chat('one/m')).toEqual({ status: 200, credential: 'Bearer sk-first-key' });
  const { text } = await admin('GET', '/config');
  expect(text).toContain('vault://team/secret/weir#one');
  expect(text).not.toContain('sk-first-key');
  for (const credential of vault.credentials) expect(text).not.toContain(credential);
});

test('a rotated secret is used without a restart, and an outage keeps it', async () => {
  vault.put('weir', { one: 'sk-rotated-key', two: 'sk-second-provider' });
  await weir.gateway.refreshSecrets();
  expect(await chat('one/m')).toEqual({ status: 200, credential: 'Bearer sk-rotated-key' });
  vault.mode = 'broken';
  await weir.gateway.refreshSecrets();
  expect(await chat('one/m')).toEqual({ status: 200, credential: 'Bearer sk-rotated-key' });
  const metrics = await weir.gateway.metrics.render();
  expect(metrics).toContain('weir_secrets_stale{scheme="vault"} 1');
  expect(metrics).toMatch(/weir_secret_reads_total\{scheme="vault",result="failed"\} 1/);
  vault.mode = 'works';
  await weir.gateway.refreshSecrets();
  expect(await weir.gateway.metrics.render()).toContain('weir_secrets_stale{scheme="vault"} 0');
});

test('a provider of the admin API may have a reference; it is tested with its secret', async () => {
  const two = { ...provider('vault://team/secret/weir#two'), id: 'two' };
  const tested = await admin('POST', '/providers/test', { provider: two });
  expect(tested.body).toMatchObject({ ok: true, models: ['m'] });
  expect(credentials.at(-1)).toBe('Bearer sk-second-provider');
  const created = await admin('PUT', '/providers/two', two);
  expect(created.status).toBe(200);
  expect(created.text).toContain('vault://team/secret/weir#two');
  expect(await chat('two/m')).toEqual({ status: 200, credential: 'Bearer sk-second-provider' });
});

test.each([
  ['vault://team/secret/absent#key', /there is no such secret/],
  ['vault://team/secret/weir#absent', /the secret has no key/],
  ['vault://team', /needs a mount and a path/],
  ['env://WEIR_ADMIN_KEY', /secrets\.admin_references/],
  ['file:///etc/hostname', /secrets\.admin_references/],
])('a provider with %s is rejected with the reason', async (api_key, reason) => {
  const { status, text } = await admin('PUT', '/providers/three', { ...provider(api_key), id: 'three' });
  expect(status).toBe(400);
  expect(text).toMatch(reason);
  expect(text).not.toContain('sk-');
});
