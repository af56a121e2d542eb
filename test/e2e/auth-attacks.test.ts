import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type FakeIssuer, ISSUER_CLIENT, startFakeIssuer } from '../support/fake-issuer.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { Organisation } from './helpers/organisation.ts';

/** Attacks on keys, passwords, sign-in and permissions. */

let gateway: InProcessGateway;
let organisation: Organisation;
beforeAll(async () => {
  gateway = await gatewayInProcess({ config: { limits: { per_ip: null } } });
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme' });
});
afterAll(() => gateway?.close());

const tally = (statuses: readonly number[]) =>
  Object.fromEntries(
    [...new Set(statuses)]
      .toSorted()
      .map((status) => [status, statuses.filter((one) => one === status).length]),
  );

describe('guessing a password', () => {
  const signIn = (on: InProcessGateway, email: string, password: string, address?: string) =>
    on.call('POST', '/v1/auth/sign-in', { body: { email, password }, ...(address && { address }) });

  test('in parallel: ten guesses are checked, and the right one is not among the rest', async () => {
    await organisation.member('acme', 'target', 'viewer');
    const guesses = Array.from({ length: 400 }, (_, index) =>
      signIn(gateway, 'target@acme.test', index === 399 ? Organisation.PASSWORD : `guess ${index}`),
    );
    expect(tally((await Promise.all(guesses)).map(({ status }) => status))).toEqual({ 401: 10, 429: 390 });
  });

  test('of many accounts from one address is stopped, and locks none of them', async () => {
    await organisation.member('acme', 'bystander', 'viewer');
    const spray = Array.from({ length: 150 }, (_, index) =>
      signIn(gateway, `user${index}@acme.test`, 'summer2026', '203.0.113.9'),
    );
    const { 401: checked = 0 } = tally((await Promise.all(spray)).map(({ status }) => status));
    expect(checked).toBeLessThanOrEqual(100);
    for (let count = 0; count < 15; count += 1) {
      await signIn(gateway, 'bystander@acme.test', 'wrong', '203.0.113.9');
    }
    expect((await signIn(gateway, 'bystander@acme.test', Organisation.PASSWORD)).status).toBe(200);
  });

  test('with a body beyond 16 KiB is refused before it is parsed', async () => {
    for (const path of ['/v1/auth/sign-in', '/v1/auth/invitations/accept']) {
      const { status } = await gateway.call('POST', path, { body: { email: 'x'.repeat(17_000) } });
      expect([path, status]).toEqual([path, 413]);
    }
  });

  test.skipIf(!hasPostgres)('on two gateways counts together', async () => {
    const env = { DATABASE_URL: await (await sharedPostgres()).freshUrl() };
    const [one, two] = [await gatewayInProcess({ env }), await gatewayInProcess({ env })];
    const account = { email: 'jo@acme.test', name: 'Jo', password: Organisation.PASSWORD };
    await new Organisation(one).done('POST', '/admin/v1/users', account);
    const statuses: number[] = [];
    for (let index = 0; index < 24; index += 1) {
      statuses.push((await signIn(index % 2 === 0 ? one : two, account.email, `guess ${index}`)).status);
    }
    expect(tally(statuses)).toEqual({ 401: 10, 429: 14 });
    expect((await signIn(two, account.email, account.password)).status).toBe(429);
    await one.close();
    await two.close();
  });
});

describe('guessing a key', () => {
  test('is slowed down for its address, whatever route it tries; others and known keys go on', async () => {
    const address = '203.0.113.77';
    const paths = ['/v1/models', '/admin/v1/me', '/metrics', '/v1/auth/session', '/health'];
    const guess = async (index: number) => {
      const path = paths[index % paths.length] ?? '';
      const key = path === '/v1/auth/session' ? `wr-session-${index}` : `wr-${index}`;
      return (await gateway.call('GET', path, { key, address })).status;
    };
    const { key } = await organisation.key('acme', { name: 'known' });
    expect((await gateway.call('GET', '/v1/models', { key: String(key) })).status).toBe(200);
    const statuses: number[] = [];
    for (let index = 0; index < 500; index += 1) statuses.push(await guess(index));
    const { 200: health, 401: told = 0, 429: slowed = 0 } = tally(statuses);
    expect([health, told + slowed]).toEqual([100, 400]);
    expect(told).toBeLessThan(70);

    const late = await gateway.call('GET', '/v1/models', { key: 'wr-another', address });
    expect([late.status, Number(late.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await gateway.call('GET', '/v1/models', { key: String(key), address })).status).toBe(200);
    expect((await gateway.call('GET', '/v1/models', { key: 'wr-wrong' })).status).toBe(401);
    const metrics = await gateway.call('GET', '/metrics', { key: gateway.adminKey });
    expect(metrics.text).toMatch(/weir_auth_failures_total\{credential="key",throttled="true"\} \d+/);
  });
});

describe('a developer', () => {
  const lifted = [
    ['limits', { limits: [] }],
    ['limits', { limits: [{ of: 'requests', per: 'minute', max: 11 }] }],
    ['scopes.models', { scopes: {} }],
    ['scopes.models', { scopes: { models: ['simulator', 'gpt-4o'] } }],
    ['expires_at', { expires_at: null }],
    ['expires_at', { expires_at: '2099-01-01T00:00:00Z' }],
  ] as const;
  const RESTRICTED = {
    limits: [{ of: 'requests', per: 'minute', max: 10 }],
    scopes: { models: ['simulator'] },
    expires_at: '2098-01-01T00:00:00Z',
  };

  test('cannot lift what an admin put on the key, and may tighten it', async () => {
    const member = await organisation.member('acme', 'dev', 'developer');
    const session = await organisation.session('acme', 'dev');
    const { id } = await organisation.key('acme', { name: 'restricted', member, ...RESTRICTED });
    const path = `/admin/v1/tenants/acme/keys/${String(id)}`;
    for (const [param, body] of lifted) {
      const refused = await gateway.call('PATCH', path, { key: session, body });
      expect([param, refused.status, refused.body.error]).toEqual([
        param,
        403,
        expect.objectContaining({
          code: 'permission_denied',
          param,
          message: expect.stringContaining('limits:write'),
        }),
      ]);
    }
    const tighter = {
      name: 'mine',
      limits: [{ of: 'requests', per: 'minute', max: 5 }],
      expires_at: '2097-01-01T00:00:00Z',
    };
    expect((await gateway.call('PATCH', path, { key: session, body: tighter })).status).toBe(200);
    for (const [, body] of lifted) {
      expect((await gateway.call('PATCH', path, { key: gateway.adminKey, body })).status).toBe(200);
    }
  });

  test('cannot create a key with a restricted key that does more', async () => {
    const member = await organisation.member('acme', 'bot', 'developer');
    const { key } = await organisation.key('acme', {
      ...{ name: 'automation', member, ...RESTRICTED },
      scopes: { models: ['simulator'], endpoints: ['/admin/*'] },
    });
    const create = (body: unknown) =>
      gateway.call('POST', '/admin/v1/tenants/acme/keys', { key: String(key), body });
    expect((await create({ name: 'free' })).status).toBe(403);
    expect((await create({ name: 'same', ...RESTRICTED })).status).toBe(201);
  });
});

describe('hostile input of the admin API gets 400 or 404', () => {
  test.each<[string, unknown]>([
    ['a header name with a space', { headers: { 'a b': 'x' } }],
    ['a header name that is empty', { headers: { '': 'x' } }],
    ['a header value with a line end', { headers: { a: 'x\r\ny: z' } }],
    ['a header value beyond Latin-1', { headers: { a: '✓' } }],
    ['a header value with NUL', { headers: { a: 'x\0' } }],
    ['messages that are no list', { request: { model: 'simulator', messages: 5 } }],
    ['messages that are no objects', { request: { model: 'simulator', messages: [null, 'x', []] } }],
    ['an input that is nothing known', { request: { model: 'simulator', input: { a: [] } } }],
  ])('of a dry run: %s', async (_, more) => {
    const body = {
      request: { model: 'simulator', messages: [{ role: 'user', content: 'Hi' }] },
      ...Object(more),
    };
    const { status, text } = await gateway.call('POST', '/admin/v1/route', { key: gateway.adminKey, body });
    expect([status < 500, text]).toEqual([true, text]);
    if ('headers' in Object(more)) expect(status).toBe(400);
  });

  test('text with NUL, and paths with control characters', async () => {
    const call = (method: string, path: string, body?: unknown) =>
      gateway.call(method, path, { key: gateway.adminKey, body });
    expect((await call('POST', '/admin/v1/users', { email: 'a\0b@acme.test', name: 'A' })).status).toBe(400);
    expect((await call('GET', '/admin/v1/users?search=%00')).status).toBe(400);
    expect((await call('GET', '/admin/v1/users/%00')).status).toBe(404);
    expect((await call('GET', '/admin/v1/tenants/acme/keys/a%0ab')).status).toBe(404);
    expect((await call('GET', '/v1/responses/%00')).status).toBe(404);
    const answer = { model: 'simulator', input: 'Hi', previous_response_id: 'x\0' };
    expect((await call('POST', '/v1/responses', answer)).status).toBe(400);
    expect((await call('POST', '/v1/auth/sign-in', { email: 'a\0b@acme.test', password: 'p' })).status).toBe(
      400,
    );
  });
});

describe('an attempt at an identity provider', () => {
  let issuer: FakeIssuer;
  let one: InProcessGateway;
  beforeAll(async () => {
    issuer = await startFakeIssuer();
    one = await gatewayInProcess({
      config: {
        auth: {
          public_url: 'http://weir.test',
          oidc: [
            {
              ...{ id: 'test', issuer: issuer.url, client_id: ISSUER_CLIENT.id },
              client_secret: ISSUER_CLIENT.secret,
              sign_up: { tenant: 'default', role: 'viewer' },
            },
          ],
        },
      },
    });
  });
  afterAll(async () => {
    issuer?.close();
    await one?.close();
  });

  test('works once: its state and cookie are used up by the first callback, even a failed one', async () => {
    const begin = async () => {
      const { headers } = await one.call('GET', '/v1/auth/oidc/test');
      const asked = new URL(headers.get('location') ?? '').searchParams;
      issuer.nonce = asked.get('nonce') ?? '';
      const cookie = headers.getSetCookie()[0]?.split(';')[0] ?? '';
      const callback = `/v1/auth/oidc/test/callback?code=c&state=${asked.get('state')}`;
      return () => one.call('GET', callback, { headers: { cookie } });
    };
    const callBack = await begin();
    const both = await Promise.all([callBack(), callBack(), callBack()]);
    expect(tally(both.map(({ status }) => status))).toEqual({ 302: 1, 403: 2 });
    expect((await callBack()).status).toBe(403);
    expect(issuer.exchanged).toHaveLength(1);

    issuer.forge = true;
    const forged = await begin();
    expect((await forged()).status).toBe(403);
    issuer.forge = false;
    expect((await forged()).status).toBe(403);
  });
});
