import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { eventually } from './harness.ts';
import { asObject, type Json } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

let gateway: InProcessGateway;
let organisation: Organisation;
const keys = new Map<string, string>();
const sessions = new Map<string, string>();
const members = new Map<string, string>();

const asList = (value: unknown) => (Array.isArray(value) ? value.map(asObject) : []);
const LOG = '/admin/v1/tenants/acme/request-log';

async function chat(key: string, id: string, content: string, more: Json = {}) {
  const messages = [{ role: 'user', content }];
  return gateway.call('POST', '/v1/chat/completions', {
    ...{ key: keys.get(key), headers: { 'x-request-id': id } },
    body: { model: 'simulator', messages, ...more },
  });
}

const call = async (name: string | undefined, method: string, path: string, body?: unknown) =>
  gateway.call(method, path, { key: sessions.get(name ?? '') ?? gateway.adminKey, body });
const logged = async (query = '') => asList((await call(undefined, 'GET', `${LOG}?${query}`)).body.data);
const stored = (id: string) =>
  eventually(`${id} is logged`, async () => (await logged(`id=${id}`)).length === 1);

beforeAll(async () => {
  gateway = await gatewayInProcess();
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme', request_log: { days: 7 } });
  await organisation.done('POST', '/admin/v1/tenants', { id: 'else' });
  for (const [name, role] of [
    ['dev', 'developer'],
    ['boss', 'admin'],
  ] as const) {
    const member = await organisation.member('acme', name, role);
    members.set(name, member);
    sessions.set(name, await organisation.session('acme', name));
    keys.set(name, String((await organisation.key('acme', { name, member })).key));
  }
  keys.set('else', String((await organisation.key('else', { name: 'k' })).key));
  gateway.gateway.startBackground();
}, 60_000);
afterAll(() => gateway?.close());

describe('a tenant with a request log', () => {
  test('keeps prompts and responses, redacted, and assembled where they were streams', async () => {
    await chat('dev', 'plain', 'Write to jane@example.com about the blue lamp.');
    await chat('dev', 'streamed', 'Say something about the green lamp.', { stream: true });
    await stored('plain');
    await stored('streamed');
    const [plain] = await logged('id=plain');
    expect(JSON.stringify(plain?.request)).toContain('Write to [EMAIL] about the blue lamp.');
    expect(plain).toMatchObject({ status: 200, outcome: 'done', user: members.get('dev'), truncated: [] });
    expect(asObject(plain?.response)).toMatchObject({ object: 'chat.completion' });
    const [streamed] = await logged('id=streamed');
    const [choice] = asList(asObject(streamed?.response).choices);
    expect(choice).toMatchObject({ finish: { unified: 'stop' }, content: [{ type: 'text' }] });
  });

  test('keeps nothing of images', async () => {
    const url = `data:image/png;base64,${'A'.repeat(4_000)}`;
    const content = [{ type: 'image_url', image_url: { url } }];
    await gateway.call('POST', '/v1/chat/completions', {
      ...{ key: keys.get('dev'), headers: { 'x-request-id': 'picture' } },
      body: { model: 'simulator', messages: [{ role: 'user', content }] },
    });
    await stored('picture');
    const [picture] = await logged('id=picture');
    expect(JSON.stringify(picture?.request)).toContain('[image/png, 4022 characters]');
  });

  test('is searched by text, user and status, and one of another tenant is not there', async () => {
    await chat('else', 'other', 'Write about the blue lamp.');
    const ids = async (query: string) =>
      asList((await call(undefined, 'GET', `/admin/v1/requests?${query}`)).body.data).map(({ id }) => id);
    expect(await ids('text=BLUE%20lamp')).toEqual(['plain']);
    expect(await ids('text=lamp&tenant=acme')).toEqual(['streamed', 'plain']);
    expect(await ids('text=lamp&status=5xx')).toEqual([]);
    expect(await ids('text=jane%40example.com')).toEqual([]);
    expect(await logged(`user=${members.get('boss')}`)).toEqual([]);
  });

  test('shows a request with its messages to its sender and to administrators, and records who read it', async () => {
    const path = '/admin/v1/requests/plain';
    for (const name of ['dev', 'boss']) {
      const { body } = await call(name, 'GET', path);
      expect(asObject(body.messages)).toMatchObject({ truncated: [] });
    }
    expect((await call('dev', 'GET', LOG)).status).toBe(403);
    const reads = async () =>
      asList(
        (await call(undefined, 'GET', '/admin/v1/tenants/acme/audit?action=request_log.read')).body.data,
      ).filter(({ subject }) => subject === 'request:plain');
    // The administrator's; the sender's own is none.
    await eventually('it is recorded', async () => (await reads()).length === 1);
  });

  test('explains a request that the process no longer remembers', async () => {
    for (let index = 0; index < 2_000; index += 1)
      await chat('else', `newer-${index}`, 'Hi', { model: 'missing' });
    const { body } = await call('boss', 'GET', '/admin/v1/requests/plain');
    expect(body).toMatchObject({ source: 'log', outcome: 'done', attempts: [{ provider: 'simulator' }] });
    expect(asList(body.looks)).toMatchObject([{ model: 'simulator', because: 'asked' }]);
    expect(asList(body.price).length).toBeGreaterThan(0);
    expect(JSON.stringify(body.messages)).toContain('[EMAIL]');
  }, 60_000);

  test('rotates its key, and reads what the key before has sealed', async () => {
    const { body } = await call('boss', 'POST', `${LOG}/rotate-key`);
    expect(body).toEqual({ version: 2 });
    await chat('boss', 'rotated', 'Sealed with the second key.');
    await stored('rotated');
    expect((await logged('id=plain')).length).toBe(1);
  });

  test('erases what one person sent, after a dry run', async () => {
    const user = `user=${members.get('dev')}`;
    const dry = await call('boss', 'DELETE', `${LOG}?${user}&dry_run=true`);
    expect(dry.body).toMatchObject({ erased: false });
    expect(Number(dry.body.requests)).toBeGreaterThanOrEqual(3);
    expect((await call('boss', 'DELETE', LOG)).status).toBe(400);
    expect((await call('boss', 'DELETE', `${LOG}?${user}`)).body).toEqual({ ...dry.body, erased: true });
    expect(await logged(user)).toEqual([]);
    expect((await logged('id=rotated')).length).toBe(1);
    const { body } = await call(undefined, 'GET', '/admin/v1/requests/plain');
    expect(body.messages).toBeNull();
  });

  test('stops when it is switched off, which is on record', async () => {
    await call('boss', 'PATCH', '/admin/v1/tenants/acme', { request_log: null });
    await chat('boss', 'off', 'Not for the log.');
    await chat('boss', 'off-2', 'Not for the log.');
    expect(await logged('text=Not%20for%20the%20log')).toEqual([]);
    const { body } = await call(undefined, 'GET', '/admin/v1/audit?action=tenant.update');
    expect(JSON.stringify(body.data)).toContain('request_log');
  });
});
