import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { startIssuer, TestBrowser, type TestIssuer } from '../support/services/oidc.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { chat, eventually, post } from './harness.ts';
import { admin, codeOf, dataOf, done } from './helpers/admin.ts';
import { parseObject } from './helpers/json.ts';

const PASSWORD = 'correct horse battery';

async function auth(gateway: Gateway, path: string, body?: unknown, key = '') {
  const response = await fetch(`${gateway.url}/v1/auth${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: {
      'content-type': 'application/json',
      ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
    },
  });
  return { status: response.status, headers: response.headers, body: parseObject(await response.text()) };
}

async function infer(gateway: Gateway, key: string): Promise<number> {
  const response = await post(gateway, chat({ model: 'simulator', max_tokens: 3 }), {
    headers: { authorization: `Bearer ${key}` },
  });
  await response.arrayBuffer();
  return response.status;
}

describe('signing in by password', () => {
  let gateway: Gateway;
  let user: Record<string, unknown>;
  beforeAll(async () => {
    gateway = await startGateway();
    await done(gateway, 'POST', '/tenants', { id: 'acme' });
    user = await done(gateway, 'POST', '/users', { email: 'jo@acme.test', name: 'Jo', password: PASSWORD });
    await done(gateway, 'POST', '/tenants/acme/members', { email: 'jo@acme.test', role: 'developer' });
  });
  afterAll(async () => {
    await gateway?.stop();
  });
  const signIn = (email = 'jo@acme.test', password = PASSWORD) =>
    auth(gateway, '/sign-in', { email, password });

  test('gives a session that the admin API takes, with the rights of its roles', async () => {
    const { status, headers, body } = await signIn('JO@acme.test');
    expect([status, body.user]).toMatchObject([
      200,
      { email: 'jo@acme.test', tenants: { acme: 'developer' } },
    ]);
    expect(headers.get('set-cookie')).toMatch(
      /^weir_session=wr-session-[0-9a-f]{48}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=43200$/,
    );
    const session = { key: String(body.session) };
    expect(await done(gateway, 'GET', '/me', undefined, session)).toMatchObject({
      tenants: { acme: { role: 'developer' } },
    });
    expect((await admin(gateway, 'GET', '/tenants/acme', undefined, session)).status).toBe(200);
    expect((await admin(gateway, 'GET', '/tenants/default', undefined, session)).status).toBe(404);
    expect((await admin(gateway, 'DELETE', '/tenants/acme', undefined, session)).status).toBe(403);
    // A developer makes keys of their own, and sees those of others without touching them.
    const own = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'mine' }, session);
    expect([own.member, await infer(gateway, String(own.key))]).toEqual([user.id, 200]);
    const foreign = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'theirs' });
    expect(
      (await admin(gateway, 'DELETE', `/tenants/acme/keys/${String(foreign.id)}`, undefined, session)).status,
    ).toBe(403);
    // A session is for people: it opens no model.
    expect(await infer(gateway, session.key)).toBe(401);
    expect((await auth(gateway, '/sign-out', {}, session.key)).status).toBe(200);
    expect((await admin(gateway, 'GET', '/me', undefined, session)).status).toBe(401);
  });

  test('sessions are listed, and can be ended one by one', async () => {
    const [here, there] = [await signIn(), await signIn()];
    const list = dataOf((await auth(gateway, '/sessions', undefined, String(here.body.session))).body);
    expect(list.length).toBeGreaterThanOrEqual(2);
    expect(list.filter(({ current }) => current)).toHaveLength(1);
    const other = list.find(({ current }) => !current);
    const ended = await fetch(`${gateway.url}/v1/auth/sessions/${String(other?.id)}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${String(here.body.session)}` },
    });
    expect(ended.status).toBe(200);
    expect((await auth(gateway, '/session', undefined, String(there.body.session))).status).toBe(401);
    expect((await auth(gateway, '/session', undefined, String(here.body.session))).status).toBe(200);
  });

  test('an operator lists and ends the sessions of a user, and no one else does', async () => {
    const { session, user } = (await signIn()).body;
    const key = String(session);
    const path = `/users/${String(Object(user).id)}/sessions`;
    expect((await admin(gateway, 'GET', path, undefined, { key })).status).toBe(403);
    const all = dataOf(await done(gateway, 'GET', path));
    expect(all[0]).toMatchObject({ current: false, address: '127.0.0.1', agent: expect.any(String) });
    expect((await admin(gateway, 'DELETE', `${path}/${String(all[0]?.id)}`, undefined, { key })).status).toBe(
      403,
    );
    for (const { id } of all) {
      expect((await admin(gateway, 'DELETE', `${path}/${String(id)}`)).status).toBe(204);
    }
    expect((await auth(gateway, '/session', undefined, key)).status).toBe(401);
    expect((await admin(gateway, 'DELETE', `${path}/ses_unknown`)).status).toBe(404);
  });

  test('a new password ends all sessions but the one that set it', async () => {
    const [one, two] = [await signIn(), await signIn()];
    const wrong = await auth(
      gateway,
      '/password',
      { current: 'no', password: 'another horse' },
      String(one.body.session),
    );
    expect(wrong.status).toBe(403);
    const changed = await auth(
      gateway,
      '/password',
      { current: PASSWORD, password: 'another horse' },
      String(one.body.session),
    );
    expect(changed.status).toBe(200);
    expect((await auth(gateway, '/session', undefined, String(two.body.session))).status).toBe(401);
    expect((await auth(gateway, '/session', undefined, String(changed.body.session))).status).toBe(200);
    expect((await signIn()).status).toBe(401);
    await auth(
      gateway,
      '/password',
      { current: 'another horse', password: PASSWORD },
      String(changed.body.session),
    );
  });

  test('a cookie works for pages of this gateway only', async () => {
    const { body } = await signIn();
    const call = (method: string, headers: Record<string, string>) =>
      fetch(`${gateway.url}/admin/v1/tenants/acme/keys`, {
        method,
        headers: {
          cookie: `a=b; weir_session=${String(body.session)}`,
          'content-type': 'application/json',
          ...headers,
        },
        ...(method === 'POST' ? { body: JSON.stringify({ name: 'by cookie' }) } : {}),
      }).then(({ status }) => status);
    expect(await call('GET', {})).toBe(200);
    expect(await call('POST', {})).toBe(403);
    expect(await call('POST', { origin: 'https://evil.test' })).toBe(403);
    expect(await call('POST', { 'sec-fetch-site': 'cross-site', origin: gateway.url })).toBe(403);
    expect(await call('POST', { origin: gateway.url })).toBe(201);
    expect(await call('POST', { 'sec-fetch-site': 'same-origin' })).toBe(201);
  });

  test('guessing is slowed down, and tells nothing', async () => {
    await done(gateway, 'POST', '/users', { email: 'guess@acme.test', name: 'Guess', password: PASSWORD });
    const [known, unknown] = [
      await signIn('guess@acme.test', 'wrong'),
      await signIn('nobody@acme.test', 'wrong'),
    ];
    expect(known.body).toEqual(unknown.body);
    let last = known;
    for (let round = 0; round < 10 && last.status === 401; round += 1)
      last = await signIn('guess@acme.test', 'wrong');
    expect(last.status).toBe(429);
    expect((await signIn('guess@acme.test', PASSWORD)).status).toBe(429);
  });

  test('an invitation makes a new user a member', async () => {
    const made = await done(gateway, 'POST', '/tenants/acme/invitations', {
      email: 'new@acme.test',
      role: 'viewer',
    });
    const token = String(made.token);
    expect(
      (await auth(gateway, '/invitations/accept', { token: `${token}x`, name: 'New', password: PASSWORD }))
        .status,
    ).toBe(404);
    expect(
      (await auth(gateway, '/invitations/accept', { token, name: 'New', password: 'short' })).status,
    ).toBe(400);
    const accepted = await auth(gateway, '/invitations/accept', { token, name: 'New', password: PASSWORD });
    expect([accepted.status, accepted.body.user]).toMatchObject([201, { tenants: { acme: 'viewer' } }]);
    expect(
      (await auth(gateway, '/invitations/accept', { token, name: 'New', password: PASSWORD })).status,
    ).toBe(404);
    const taken = await done(gateway, 'POST', '/tenants/acme/invitations', {
      email: 'new2@acme.test',
      role: 'viewer',
    });
    await done(gateway, 'DELETE', `/tenants/acme/invitations/${String(taken.id)}`);
    expect(
      (
        await auth(gateway, '/invitations/accept', {
          token: String(taken.token),
          name: 'N',
          password: PASSWORD,
        })
      ).status,
    ).toBe(404);
  });
});

describe('signing in by OpenID Connect', () => {
  let gateway: Gateway;
  let issuer: TestIssuer;
  beforeAll(async () => {
    // The issuer has to know where people go back to, and the gateway where the issuer is.
    gateway = await startGateway({ config: {} });
    issuer = await startIssuer(`${gateway.url}/v1/auth/oidc/test/callback`);
    gateway.writeConfig({
      auth: {
        oidc: [
          {
            id: 'test',
            name: 'Test',
            issuer: issuer.url,
            client_id: issuer.clientId,
            client_secret: issuer.clientSecret,
            sign_up: { tenant: 'default', role: 'viewer' },
          },
        ],
      },
    });
    await eventually(
      'the provider is there',
      async () => dataOf((await auth(gateway, '/providers')).body).length === 1,
      10_000,
    );
  });
  afterAll(async () => {
    await gateway?.stop();
    await issuer?.close();
  });
  const start = () => `${gateway.url}/v1/auth/oidc/test`;
  const sessionOf = (browser: TestBrowser) => browser.cookie(new URL(gateway.url).host, 'weir_session');

  test('makes a member of who is new, and knows them the next time', async () => {
    const browser = new TestBrowser();
    const end = await browser.signIn(start(), 'ann');
    expect(new URL(end.url).pathname).toBe('/console');
    const me = await auth(gateway, '/session', undefined, sessionOf(browser) ?? '');
    expect(me.body.user).toMatchObject({
      email: 'ann@idp.test',
      name: 'Person ann',
      has_password: false,
      tenants: { default: 'viewer' },
    });
    const again = new TestBrowser();
    await again.signIn(start(), 'ann');
    const same = await auth(gateway, '/session', undefined, sessionOf(again) ?? '');
    expect(same.body.user).toMatchObject({ email: 'ann@idp.test' });
    expect(dataOf(await done(gateway, 'GET', '/users?search=ann@'))).toHaveLength(1);
  });

  test('an address that no issuer has verified opens no account', async () => {
    await done(gateway, 'POST', '/users', {
      email: 'boss@idp.test',
      name: 'Boss',
      password: PASSWORD,
      platform_admin: true,
    });
    const browser = new TestBrowser();
    const { response } = await browser.signIn(start(), 'boss!');
    expect(response.status).toBe(403);
    expect(sessionOf(browser)).toBeUndefined();
    const proper = new TestBrowser();
    await proper.signIn(start(), 'boss');
    expect(await done(gateway, 'GET', '/me', undefined, { key: sessionOf(proper) ?? '' })).toMatchObject({
      platform_admin: true,
    });
  });

  test('an answer that was not asked for in this browser is refused', async () => {
    const victim = new TestBrowser();
    const answer = await victim.go(`${start()}/callback?code=stolen&state=guessed`);
    expect(answer.response.status).toBe(403);
    const begun = new TestBrowser();
    await begun.go(start());
    const forged = await begun.go(`${start()}/callback?code=stolen&state=guessed`);
    expect(forged.response.status).toBe(403);
    expect(sessionOf(begun)).toBeUndefined();
    expect((await begun.go(`${gateway.url}/v1/auth/oidc/other`)).response.status).toBe(404);
  });
});

describe.skipIf(!hasPostgres)('tokens and keys across two gateways', () => {
  let one: Gateway;
  let two: Gateway;
  let issuerKeys: Awaited<ReturnType<typeof generateKeyPair>>;
  let jwks: ReturnType<typeof createServer>;
  let issuer = '';
  beforeAll(async () => {
    issuerKeys = await generateKeyPair('RS256');
    const key = { ...(await exportJWK(issuerKeys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
    jwks = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys: [key] }));
    });
    await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve));
    const address = jwks.address();
    if (address === null || typeof address === 'string') throw new Error('no address');
    issuer = `http://127.0.0.1:${address.port}`;
    const config = {
      auth: { jwt: [{ issuer, jwks_url: `${issuer}/jwks`, audience: 'weir-api', tenant_claim: 'org' }] },
    };
    const env = { DATABASE_URL: await (await sharedPostgres()).freshUrl() };
    one = await startGateway({ env, config });
    two = await startGateway({ env, config });
    await done(one, 'POST', '/tenants', { id: 'acme', tier: 'pro' });
    await eventually(
      'both know the tenant',
      async () => (await admin(two, 'GET', '/tenants/acme')).status === 200,
    );
  });
  afterAll(async () => {
    await one?.stop();
    await two?.stop();
    jwks?.close();
  });

  test('a key is exchanged for a token that any gateway takes, until the key is revoked', async () => {
    const { id, key } = await done(one, 'POST', '/tenants/acme/keys', { name: 'k' });
    const exchanged = await auth(one, '/token', { expires_in: 60 }, String(key));
    expect(exchanged).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 60 } });
    const token = String(exchanged.body.access_token);
    await eventually('the other gateway takes it', async () => (await infer(two, token)) === 200);
    expect((await auth(one, '/token', {}, token)).status).toBe(403);
    expect(await infer(two, `${token.slice(0, -2)}xx`)).toBe(401);
    await done(one, 'DELETE', `/tenants/acme/keys/${String(id)}`);
    expect(await infer(one, token)).toBe(401);
    await eventually('the other gateway refuses it', async () => (await infer(two, token)) === 401, 3_000);
  });

  test('a rotation holds on both, and so does its end', async () => {
    const { id, key } = await done(one, 'POST', '/tenants/acme/keys', { name: 'r' });
    await eventually('it is known', async () => (await infer(two, String(key))) === 200);
    const fresh = await done(two, 'POST', `/tenants/acme/keys/${String(id)}/rotate`, { grace_seconds: 2 });
    await eventually('the new one is known', async () => (await infer(one, String(fresh.key))) === 200);
    await eventually('the old one ends on both', async () => {
      const both = await Promise.all([infer(one, String(key)), infer(two, String(key))]);
      return both.every((status) => status === 401);
    });
    expect([await infer(one, String(fresh.key)), await infer(two, String(fresh.key))]).toEqual([200, 200]);
  });

  test('tokens of a trusted issuer stand for its tenant, and other tokens for nothing', async () => {
    const sign = (
      claims: Record<string, unknown>,
      more: { audience?: string; issuer?: string; expires?: string } = {},
    ) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
        .setIssuer(more.issuer ?? issuer)
        .setAudience(more.audience ?? 'weir-api')
        .setSubject('service-7')
        .setExpirationTime(more.expires ?? '5m')
        .sign(issuerKeys.privateKey);
    expect(await infer(one, await sign({ org: 'acme' }))).toBe(200);
    expect(await infer(two, await sign({ org: 'acme' }))).toBe(200);
    for (const bad of [
      await sign({ org: 'nobody' }),
      await sign({}),
      await sign({ org: 'acme' }, { audience: 'other' }),
      await sign({ org: 'acme' }, { issuer: 'https://evil.test' }),
      await sign({ org: 'acme' }, { expires: '-1m' }),
    ]) {
      expect(await infer(one, bad)).toBe(401);
    }
    const denied = await admin(one, 'GET', '/tenants/acme', undefined, { key: await sign({ org: 'acme' }) });
    expect([denied.status, codeOf(denied)]).toEqual([403, 'permission_denied']);
  });
});
