import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { Organisation, pathWith } from './helpers/organisation.ts';
import { CALLERS, type Caller, PASSES, ROUTES, type Route } from './helpers/route-table.ts';

const SMALL = 16 * 1024;
const USUAL = 1024 * 1024;

let gateway: InProcessGateway;
let organisation: Organisation;
const credentials = new Map<Caller, string | undefined>();

beforeAll(async () => {
  gateway = await gatewayInProcess();
  organisation = new Organisation(gateway);
  for (const id of ['acme', 'other']) await organisation.done('POST', '/admin/v1/tenants', { id });
  const members = new Map<string, string>();
  for (const role of ['viewer', 'billing', 'developer', 'admin', 'owner'] as const) {
    members.set(role, await organisation.member('acme', role, role));
    credentials.set(role, await organisation.session('acme', role));
  }
  await organisation.member('other', 'boss', 'owner');
  credentials.set('owner of another tenant', await organisation.session('other', 'boss'));
  await organisation.done('POST', '/admin/v1/users', {
    ...{ email: 'root@acme.test', name: 'Root', password: Organisation.PASSWORD, platform_admin: true },
  });
  credentials.set('platform admin', await organisation.session('acme', 'root'));
  const key = async (settings: Record<string, unknown>) =>
    String((await organisation.key('acme', settings)).key);
  const adminApi = { endpoints: ['/admin/*'] };
  const [viewer, developer] = [members.get('viewer'), members.get('developer')];
  credentials
    .set('stranger', undefined)
    .set('wrong key', 'wr-000000000000000000000000000000000000000000000000')
    .set('admin key', gateway.adminKey)
    .set('key', await key({ name: 'k' }))
    .set('key of a viewer', await key({ name: 'kv', member: viewer }))
    .set('key of a developer', await key({ name: 'kd', member: developer }))
    .set(
      'key of a developer for the admin API',
      await key({ name: 'kda', member: developer, scopes: adminApi }),
    )
    .set('key of a viewer for the admin API', await key({ name: 'kva', member: viewer, scopes: adminApi }));
}, 60_000);
afterAll(() => gateway?.close());

describe('the table of routes', () => {
  test('lists every route, with who may use it and the largest body', async () => {
    const named = new Map<number, Route[2]>([
      [0, 0],
      [SMALL, 'small'],
      [USUAL, 'usual'],
      [gateway.gateway.config.server.body_limit, 'large'],
      // With the rest of the form.
      [gateway.gateway.config.files.max_size + USUAL, 'file'],
    ]);
    const routes = (await gateway.gateway.router.routes()).map(({ method, path, policy }) => {
      const bytes = typeof policy.body === 'function' ? policy.body() : policy.body;
      return [`${method} ${path}`, policy.access.name.split(',')[0], named.get(bytes)].join(' | ');
    });
    const expected = ROUTES.map((route) => route.join(' | '));
    expect(routes.toSorted()).toEqual(expected.toSorted());
  });

  test('reads at most 16 KiB of anyone', () => {
    const open = ROUTES.filter(([, access, body]) => access === 'anyone' && body !== 0 && body !== 'small');
    expect(open).toEqual([]);
  });

  test('exempts only health checks from address limits, and those and pages of the state from draining', async () => {
    const routes = await gateway.gateway.router.routes();
    const pathsOf = (has: (policy: (typeof routes)[number]['policy']) => boolean | undefined) =>
      routes.filter(({ policy }) => has(policy)).map(({ path }) => path);
    const health = ['/health', '/health/live', '/health/ready'];
    expect(pathsOf((policy) => policy.ignoresAddressLimits)).toEqual(health);
    const console = ['/', '/console', '/console/assets/:name', '/console/:page{.*}'];
    const operations = [...health, '/metrics', '/favicon.ico', ...console];
    expect(pathsOf((policy) => policy.servedWhileDraining)).toEqual(operations);
  });
});

/** They answer 403 by what the request contains, not by who sends it. */
const SELF_CHECKED = ['GET /v1/auth/oidc/:provider/callback', 'GET /auth/callback/:provider'];

describe('each caller at each route', () => {
  const values = {
    ...{ tenant: 'acme', member: 'none', invitation: 'none', key: 'none', user: 'none', session: 'none' },
    ...{ id: 'none', provider: 'none', name: 'none', page: 'none', change: 'none', prompt: 'none' },
    ...{ invoice: 'none', cost: 'none' },
    ...{ schedule: 'none', report: 'none', export: 'none' },
    ...{ webhook: 'none', delivery: 'none', alert: 'none', rule: 'none', silence: 'none', receiver: 'none' },
    ...{ file: 'none', batch: 'none', async: 'none', job: 'none', path: 'none' },
  };
  const cases = ROUTES.filter(([route]) => !SELF_CHECKED.includes(route));

  test.each(CALLERS.map((caller) => [caller] as const))('%s', async (caller) => {
    const unexpected: string[] = [];
    // The last, because it ends the session.
    const ordered = cases.toSorted(
      ([a], [b]) => Number(a.endsWith('sign-out')) - Number(b.endsWith('sign-out')),
    );
    for (const [route, access] of ordered) {
      const [method = '', pattern = ''] = route.split(' ');
      const { status, body, text } = await gateway.call(method, pathWith(pattern, values), {
        key: credentials.get(caller),
        // Nothing is changed: bodies lack what they need, and no object has this version.
        headers: { 'if-match': '"999999"' },
        ...(method === 'GET' || method === 'DELETE' ? {} : { body: {} }),
      });
      const passes = PASSES[access].includes(caller);
      const refused = status === 401 || status === 403 || text.includes('There is no such tenant.');
      if (refused === passes || status >= 500) unexpected.push(`${route}: ${status} ${JSON.stringify(body)}`);
    }
    expect(unexpected).toEqual([]);
  });
});

describe('permissions of parts of a request', () => {
  beforeAll(async () => {
    for (const role of ['admin', 'owner'] as const) {
      credentials.set(role, await organisation.session('acme', role));
    }
  });
  const as = (caller: Caller, method: string, path: string, body: unknown) =>
    gateway.call(method, `/admin/v1/tenants/acme${path}`, { key: credentials.get(caller), body });

  test.each<[string, unknown]>([
    ['status', { status: 'suspended' }],
    ['tier', { tier: 'enterprise' }],
    ['limits', { limits: [] }],
    ['weight', { weight: 100 }],
  ])('only the platform changes the %s of a tenant', async (_, body) => {
    for (const caller of ['owner', 'admin'] as const) {
      expect((await as(caller, 'PATCH', '', body)).status).toBe(403);
    }
  });

  test('only the platform adds users without an invitation, and only owners invite owners', async () => {
    const member = { email: 'root@acme.test', role: 'viewer' };
    expect((await as('owner', 'POST', '/members', member)).status).toBe(403);
    const invitation = { email: 'x@acme.test', role: 'owner' };
    expect((await as('admin', 'POST', '/invitations', invitation)).status).toBe(403);
    expect((await as('owner', 'POST', '/invitations', invitation)).status).toBe(201);
  });

  test('only owners limit owners', async () => {
    const owner = (await gateway.call('GET', '/admin/v1/me', { key: credentials.get('owner') })).body.id;
    const path = `/members/${String(owner).replace('user:', '')}`;
    const limits = [{ of: 'requests', per: 'day', max: 0 }];
    const refused = await as('admin', 'PATCH', path, { limits });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('owners:write')]);
    expect((await as('admin', 'PATCH', path, { name: 'Renamed' })).status).toBe(200);
    expect((await as('owner', 'PATCH', path, { limits })).status).toBe(200);
    expect((await as('owner', 'PATCH', path, { limits: [] })).status).toBe(200);
  });
});
