import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { asObject, type Json } from './helpers/json.ts';
import { Organisation } from './helpers/organisation.ts';

interface LiveEvent {
  readonly event: string;
  readonly data: Json;
}

/** Reads events of a stream until one is what is waited for. */
async function* eventsOf(response: Response): AsyncGenerator<LiveEvent> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    rest += decoder.decode(bytes, { stream: true });
    for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
      const lines = rest.slice(0, at).split('\n');
      rest = rest.slice(at + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      yield { event: field('event'), data: asObject(JSON.parse(field('data'))) };
    }
  }
}

describe('a live stream', () => {
  let gateway: Gateway;
  let organisation: {
    readonly dev: string;
    readonly boss: string;
    readonly key: string;
    readonly own: string;
  };
  const admin = async (method: string, path: string, body?: Json): Promise<Json> => {
    const response = await fetch(`${gateway.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return asObject(await response.json());
  };
  beforeAll(async () => {
    gateway = await startGateway({ config: {} });
    await admin('POST', '/admin/v1/tenants', { id: 'acme', tier: null });
    const session = async (name: string, role: string) => {
      const email = `${name}@acme.test`;
      const password = Organisation.PASSWORD;
      const user = await admin('POST', '/admin/v1/users', { email, name, password });
      await admin('POST', '/admin/v1/tenants/acme/members', { email, role });
      const signedIn = await admin('POST', '/v1/auth/sign-in', { email, password });
      return { id: String(user.id), session: String(signedIn.session) };
    };
    const [dev, boss] = [await session('dev', 'developer'), await session('boss', 'admin')];
    const key = async (name: string, member?: string) =>
      String((await admin('POST', '/admin/v1/tenants/acme/keys', { name, ...(member && { member }) })).key);
    organisation = {
      ...{ dev: dev.session, boss: boss.session },
      ...{ key: await key('service'), own: await key('own', dev.id) },
    };
  }, 60_000);
  afterAll(() => gateway?.stop());

  const open = (key: string, query = '') =>
    fetch(`${gateway.url}/admin/v1/live${query}`, { headers: { authorization: `Bearer ${key}` } });
  const chat = async (key: string, id: string, model = 'simulator') => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] }),
    });
    await response.text();
  };
  const idsUntil = async (response: Response, last: string): Promise<unknown[]> => {
    const ids: unknown[] = [];
    for await (const { event, data } of eventsOf(response)) {
      if (event === 'request') ids.push(data.id);
      if (data.id === last) break;
    }
    return ids;
  };

  test('has completed requests, and totals of each second', async () => {
    const response = await open(gateway.adminKey);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const seen: LiveEvent[] = [];
    for await (const event of eventsOf(response)) {
      seen.push(event);
      if (event.event === 'hello') await chat(organisation.key, 'live-1');
      if (event.event === 'totals' && Number(event.data.requests) > 0) break;
    }
    expect(seen.find(({ event }) => event === 'request')?.data).toMatchObject({
      ...{ id: 'live-1', tenant: 'acme', model: 'simulator', status: 200, outcome: 'done' },
    });
    expect(seen.at(-1)?.data).toMatchObject({ requests: 1, errors: 0, skipped: 0 });
  });

  test('shows administrators their tenant, and developers their own requests', async () => {
    const [boss, dev, errors] = await Promise.all([
      open(organisation.boss),
      open(organisation.dev),
      open(gateway.adminKey, '?tenant=acme&errors=true'),
    ]);
    await chat(gateway.adminKey, 'elsewhere');
    await chat(organisation.key, 'service');
    await chat(organisation.own, 'missing', 'missing');
    await chat(organisation.own, 'last');
    expect(await idsUntil(boss, 'last')).toEqual(['service', 'missing', 'last']);
    expect(await idsUntil(dev, 'last')).toEqual(['missing', 'last']);
    expect(await idsUntil(errors, 'missing')).toEqual(['missing']);
    expect((await open(organisation.dev, '?tenant=default')).status).toBe(404);
    expect((await open(organisation.dev, '?user=someone')).status).toBe(403);
    expect((await open('')).status).toBe(401);
  });

  test('is open a few times for each caller', async () => {
    const opened: Response[] = [];
    for (let index = 0; index < 11; index += 1) opened.push(await open(organisation.boss, '?errors=true'));
    const statuses = opened.map(({ status }) => status);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    for (const { body } of opened) await body?.cancel();
  });
});
