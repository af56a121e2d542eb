import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { expectError } from './harness.ts';

/** What browsers send when an address is typed. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway?.stop());

const get = (path: string, headers: Record<string, string> = { accept: BROWSER }) =>
  fetch(gateway.url + path, { headers, redirect: 'manual' });
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

describe('the console', () => {
  test('browsers find it at /', async () => {
    const response = await get('/');
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('/console');
  });

  test.each(['/console', '/console/tenants', '/console/requests/abc/def', '/console/'])(
    '%s is its page',
    async (path) => {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await response.text()).toContain('<div id="root">');
    },
  );

  test('its policy allows files of this gateway alone, and each page a nonce of its own', async () => {
    const nonces = await Promise.all(
      [1, 2].map(async () => {
        const response = await get('/console');
        const policy = response.headers.get('content-security-policy') ?? '';
        expect(policy).not.toContain('unsafe');
        expect(policy).toContain("script-src 'self';");
        const [, nonce = ''] = /style-src 'self' 'nonce-([0-9a-f]{32})'/.exec(policy) ?? [];
        const html = await response.text();
        expect(html).toContain(`content="${nonce}"`);
        expect(html).not.toMatch(/<style|\son\w+=|style="|https?:/i);
        return nonce;
      }),
    );
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test('its files are compressed, may be kept, and keep within the budget of a first load', async () => {
    const html = await (await get('/console')).text();
    const paths = [...html.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)].map(
      ([, path = '']) => path,
    );
    expect(paths.map((path) => path.split('.').at(-1)).sort()).toEqual(['css', 'js']);
    let scripts = 0;
    for (const path of paths) {
      const response = await fetch(gateway.url + path, {
        headers: { 'accept-encoding': 'gzip' },
        decompress: false,
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('content-encoding')).toBe('gzip');
      if (path.endsWith('.js')) scripts += (await response.arrayBuffer()).byteLength;
      const plain = await fetch(gateway.url + path, { headers: { 'accept-encoding': 'identity' } });
      expect(plain.headers.get('content-encoding')).toBeNull();
      expect((await plain.arrayBuffer()).byteLength).toBeGreaterThan(1_000);
    }
    expect(scripts).toBeLessThan(220 * 1_024);
  });

  test.each(['/console/assets/none.js', '/console/assets/..%2findex.html', '/console/assets/__proto__'])(
    '%s is not found',
    async (path) => {
      await expectError(await get(path), 404, 'not_found');
    },
  );

  test.each(['/', '/console', '/console/tenants'])('%s is JSON for programs', async (path) => {
    await expectError(await get(path, { accept: '*/*' }), 404, 'not_found');
  });
});

describe('sign-in with an admin key', () => {
  const signIn = async (key: string) => {
    const response = await post('/v1/auth/sign-in', { key });
    const cookie = response.headers.get('set-cookie') ?? '';
    return { response, cookie, session: cookie.split(';')[0] ?? '' };
  };

  test('begins a session with the rights of the key, which ends with sign-out', async () => {
    const { response, cookie, session } = await signIn(gateway.adminKey);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ user: null });
    expect(cookie).toContain('HttpOnly');
    expect(cookie).toContain('SameSite=Lax');
    const me = await get('/admin/v1/me', { cookie: session });
    expect(await me.json()).toMatchObject({ platform_admin: true });
    const tenant = { id: 'from-console' };
    const byOther = await post('/admin/v1/tenants', tenant, {
      cookie: session,
      'sec-fetch-site': 'cross-site',
    });
    await expectError(byOther, 403, 'permission_denied');
    const byOwn = await post('/admin/v1/tenants', tenant, {
      cookie: session,
      'sec-fetch-site': 'same-origin',
    });
    expect(byOwn.status).toBe(201);
    const session_ = await get('/v1/auth/session', { cookie: session });
    expect(await session_.json()).toMatchObject({ user: null });
    await expectError(await get('/v1/auth/sessions', { cookie: session }), 403, 'permission_denied');
    const out = await post('/v1/auth/sign-out', {}, { cookie: session, 'sec-fetch-site': 'same-origin' });
    expect(out.status).toBe(200);
    await expectError(await get('/admin/v1/me', { cookie: session }), 401, 'invalid_api_key');
  });

  test('rejects wrong keys, and keys for models', async () => {
    await expectError((await signIn('wr-wrong-0123456789abcdef')).response, 401, 'invalid_api_key');
    const created = await post(
      '/admin/v1/tenants/default/keys',
      { name: 'models' },
      { authorization: `Bearer ${gateway.adminKey}` },
    );
    const { key } = await created.json();
    await expectError((await signIn(String(key))).response, 403, 'permission_denied');
    await expectError(await post('/v1/auth/sign-in', { key: '' }), 400, 'invalid_request');
    await expectError(await post('/v1/auth/sign-in', { key: 5 }), 400, 'invalid_request');
  });

  test('a session ends with its admin key', async () => {
    const admin = { authorization: `Bearer ${gateway.adminKey}` };
    const created = await post('/admin/v1/keys', { name: 'second admin' }, admin);
    const { id, key } = await created.json();
    const { session } = await signIn(String(key));
    expect((await get('/admin/v1/me', { cookie: session })).status).toBe(200);
    const revoked = await fetch(`${gateway.url}/admin/v1/keys/${id}`, { method: 'DELETE', headers: admin });
    expect(revoked.status).toBe(200);
    await expectError(await get('/admin/v1/me', { cookie: session }), 401, 'invalid_api_key');
  });

  test('the audit trail names the key that signed in', async () => {
    await signIn(gateway.adminKey);
    const trail = await get('/admin/v1/audit?action=session.create', {
      authorization: `Bearer ${gateway.adminKey}`,
    });
    const { data } = await trail.json();
    expect(data[0]).toMatchObject({ action: 'session.create', subject: 'key:key_environment' });
    expect(JSON.stringify(data)).not.toContain(gateway.adminKey);
  });
});

describe('models with a session', () => {
  const chat = { model: 'simulator', messages: [{ role: 'user', content: 'Hello.' }] };
  const own = { 'sec-fetch-site': 'same-origin' };
  const admin = () => ({ authorization: `Bearer ${gateway.adminKey}` });
  let operator = '';
  const sessions = new Map<string, string>();

  beforeAll(async () => {
    const signedIn = await post('/v1/auth/sign-in', { key: gateway.adminKey });
    operator = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    for (const id of ['north', 'south']) {
      expect((await post('/admin/v1/tenants', { id, tier: null }, admin())).status).toBe(201);
    }
    for (const role of ['developer', 'viewer']) {
      const email = `${role}@weir.test`;
      const password = 'correct horse battery';
      expect((await post('/admin/v1/users', { email, name: role, password }, admin())).status).toBe(201);
      const limits = role === 'developer' ? [{ of: 'requests', per: 'day', max: 2 }] : [];
      const member = { email, role, limits };
      expect((await post('/admin/v1/tenants/north/members', member, admin())).status).toBe(201);
      const response = await post('/v1/auth/sign-in', { email, password });
      sessions.set(role, response.headers.get('set-cookie')?.split(';')[0] ?? '');
    }
  });

  const ask = (cookie: string, tenant: string | undefined, headers: Record<string, string> = own) =>
    post('/v1/chat/completions', chat, {
      ...{ cookie, ...headers },
      ...(tenant === undefined ? {} : { 'x-weir-tenant': tenant }),
    });

  test('an operator uses any tenant, which is charged', async () => {
    const response = await ask(operator, 'south');
    expect(response.status).toBe(200);
    await response.json();
    const record = await get(`/admin/v1/requests/${response.headers.get('x-request-id')}`, admin());
    expect(await record.json()).toMatchObject({ tenant: 'south' });
  });

  test('a member uses its tenant with its own limits, and no other', async () => {
    const cookie = sessions.get('developer') ?? '';
    await expectError(await ask(cookie, 'south'), 404, 'not_found');
    await expectError(await ask(cookie, 'nowhere'), 404, 'not_found');
    expect((await ask(cookie, 'north')).status).toBe(200);
    expect((await ask(cookie, 'north')).status).toBe(200);
    expect((await ask(cookie, 'north')).status).toBe(429);
  });

  test('a role that sends no requests is rejected', async () => {
    await expectError(await ask(sessions.get('viewer') ?? '', 'north'), 403, 'permission_denied');
  });

  test('a session alone is no key: without the tenant, of another origin, after its end', async () => {
    await expectError(await ask(operator, undefined), 401, 'missing_api_key');
    await expectError(
      await ask(operator, 'south', { 'sec-fetch-site': 'cross-site' }),
      403,
      'permission_denied',
    );
    await expectError(await ask('weir_session=wr-session-none', 'south'), 401, 'invalid_api_key');
    const token = await post('/v1/auth/token', {}, { cookie: operator, 'x-weir-tenant': 'south', ...own });
    await expectError(token, 401, 'missing_api_key');
  });
});
