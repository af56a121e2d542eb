import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { hasPostgres, sharedPostgres } from '../support/services/postgres.ts';
import { chat, eventually, post } from './harness.ts';
import { admin, codeOf, dataOf, done } from './helpers/admin.ts';

const BACKENDS = [
  { name: 'SQLite', available: true, env: async () => ({}) },
  {
    name: 'PostgreSQL',
    available: hasPostgres,
    env: async () => ({ DATABASE_URL: await (await sharedPostgres()).freshUrl() }),
  },
];

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`the admin API on ${backend.name}`, () => {
    let gateway: Gateway;
    beforeAll(async () => {
      gateway = await startGateway({ env: await backend.env() });
    });
    afterAll(async () => {
      await gateway?.stop();
    });

    const infer = async (key: string, model = 'simulator') => {
      const response = await post(gateway, chat({ model, max_tokens: 5 }), {
        headers: { authorization: `Bearer ${key}` },
      });
      await response.arrayBuffer();
      return response.status;
    };

    test('tenants are made, found, changed and removed', async () => {
      const made = await admin(gateway, 'POST', '/tenants', {
        id: 'acme',
        name: 'Acme',
        time_zone: 'Europe/Zurich',
      });
      expect(made).toMatchObject({
        status: 201,
        body: {
          id: 'acme',
          tier: 'free',
          status: 'active',
          time_zone: 'Europe/Zurich',
          server: null,
          limits: [],
        },
      });
      expect(made.headers.get('etag')).toBe('"1"');
      expect(codeOf(await admin(gateway, 'POST', '/tenants', { id: 'acme' }))).toBe('conflict');
      expect(await done(gateway, 'GET', '/tenants/acme')).toEqual(made.body);
      expect(await done(gateway, 'PATCH', '/tenants/acme', { tier: 'pro' })).toMatchObject({
        tier: 'pro',
        name: 'Acme',
      });
      expect(dataOf(await done(gateway, 'GET', '/tenants?search=CM')).map(({ id }) => id)).toEqual(['acme']);
      expect(await done(gateway, 'DELETE', '/tenants/acme?dry_run=true')).toMatchObject({ removed: false });
      const { key } = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'app' });
      expect(await infer(String(key))).toBe(200);
      expect(await done(gateway, 'DELETE', '/tenants/acme')).toMatchObject({ removed: true });
      expect(await infer(String(key))).toBe(401);
      expect((await admin(gateway, 'GET', '/tenants/acme')).status).toBe(404);
      expect(codeOf(await admin(gateway, 'DELETE', '/tenants/default'))).toBe('conflict');
      // Its name is free again, and nothing of before is there.
      await done(gateway, 'POST', '/tenants', { id: 'acme' });
      expect(dataOf(await done(gateway, 'GET', '/tenants/acme/keys'))).toEqual([]);
      expect(dataOf(await done(gateway, 'GET', '/tenants/acme/audit'))).toEqual([]);
    });

    test.each([
      [{ id: 'A' }, 'id'],
      [{ id: "x'; DROP TABLE tenants; --" }, 'id'],
      [{ id: '../../etc' }, 'id'],
      [{ id: 'a'.repeat(64) }, 'id'],
      [{ id: 'ok', name: '' }, 'name'],
      [{ id: 'ok', name: 'x'.repeat(101) }, 'name'],
      [{ id: 'ok', name: '<script>' }, 'name'],
      [{ id: 'ok', time_zone: 'Mars/Olympus' }, 'time_zone'],
      [{ id: 'ok', time_zone: '+01:00' }, 'time_zone'],
      [{ id: 'ok', tier: 'gold' }, 'tier'],
      [{ id: 'ok', server: 'moon' }, 'server'],
      [{ id: 'ok', limits: [{ of: 'requests', max: 5 }] }, 'limits[0].per'],
      [{ id: 'ok', limits: [{ of: 'cost', per: 'day', max: '-1' }] }, 'limits[0].max'],
      [{ id: 'ok', limits: [{ of: 'cost', per: 'day', max: 1.5 }] }, 'limits[0].max'],
      [{ id: 'ok', limits: [{ of: 'cost', per: 'minute', max: '1' }] }, 'limits[0].per'],
      [{ id: 'ok', limits: [{ of: 'cost', per: 'day', max: '1', currency: 'EUR' }] }, 'limits[0].currency'],
      [
        {
          id: 'ok',
          limits: [
            { of: 'tokens', per: 'day', max: 1 },
            { of: 'tokens', per: 'day', max: 2 },
          ],
        },
        'limits[1]',
      ],
      [{ id: 'ok', tag_limits: { 'a b': [] } }, 'tag_limits.a b'],
      [{ id: 'ok', unknown: 1 }, null],
      [{}, 'id'],
    ])('a tenant %j is refused, and says where', async (body, param) => {
      const answer = await admin(gateway, 'POST', '/tenants', body);
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_request', param } } });
      expect((await admin(gateway, 'GET', '/tenants/ok')).status).toBe(404);
    });

    test('lists come in pages that leave nothing out', async () => {
      for (let index = 0; index < 7; index += 1)
        await done(gateway, 'POST', '/tenants', { id: `page${index}` });
      const seen: unknown[] = [];
      let next: unknown = null;
      do {
        const after = next === null ? '' : `&after=${String(next)}`;
        const body = await done(gateway, 'GET', `/tenants?limit=3&search=page${after}`);
        seen.push(...dataOf(body).map(({ id }) => id));
        next = body.next;
        expect(body.has_more).toBe(next !== null);
      } while (next !== null);
      expect(seen).toEqual(Array.from({ length: 7 }, (_, index) => `page${index}`));
      for (const bad of ['limit=0', 'limit=201', 'limit=x', 'after=!!', 'after=e30', 'status=odd']) {
        expect([bad, (await admin(gateway, 'GET', `/tenants?${bad}`)).status]).toEqual([bad, 400]);
      }
    });

    test('an etag keeps changes of others from being lost', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'etag' });
      const change = (name: string, etag: string) =>
        admin(gateway, 'PATCH', '/tenants/etag', { name }, { headers: { 'if-match': etag } });
      expect((await change('First', '"1"')).headers.get('etag')).toBe('"2"');
      const late = await change('Second', '"1"');
      expect([late.status, codeOf(late)]).toEqual([412, 'precondition_failed']);
      expect((await change('Third', 'nonsense')).status).toBe(400);
      expect(await done(gateway, 'GET', '/tenants/etag')).toMatchObject({ name: 'First' });
    });

    test('an idempotency key makes one of two', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'twice' });
      const make = (name: string) =>
        admin(gateway, 'POST', '/tenants/twice/keys', { name }, { headers: { 'idempotency-key': 'k1' } });
      const first = await make('app');
      const second = await make('app');
      expect(second.body).toEqual(first.body);
      expect([second.status, second.headers.get('etag')]).toEqual([201, '"1"']);
      expect(second.headers.get('idempotent-replayed')).toBe('true');
      expect((await make('other')).status).toBe(400);
      expect(dataOf(await done(gateway, 'GET', '/tenants/twice/keys'))).toHaveLength(1);
      const failed = await admin(
        gateway,
        'POST',
        '/tenants/twice/keys',
        { name: 'x', member: 'nobody' },
        { headers: { 'idempotency-key': 'k2' } },
      );
      expect(failed.status).toBe(400);
      const many = await Promise.all(
        Array.from({ length: 5 }, () =>
          admin(
            gateway,
            'POST',
            '/tenants/twice/keys',
            { name: 'race' },
            { headers: { 'idempotency-key': 'k3' } },
          ),
        ),
      );
      expect(many.filter(({ status }) => status !== 201 && status !== 409)).toEqual([]);
      expect(dataOf(await done(gateway, 'GET', '/tenants/twice/keys'))).toHaveLength(2);
    });

    test('keys have scopes, an expiry, and two secrets while they are rotated', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'keys' });
      const make = async (more: object) => {
        const body = await done(gateway, 'POST', '/tenants/keys/keys', { name: 'k', ...more });
        return { id: String(body.id), key: String(body.key) };
      };
      const scoped = await make({ scopes: { models: ['other', 'sim*'], endpoints: ['/v1/chat/*'] } });
      expect(await infer(scoped.key)).toBe(200);
      expect(await infer(scoped.key, 'not-this')).toBe(403);
      const models = await fetch(`${gateway.url}/v1/models`, {
        headers: { authorization: `Bearer ${scoped.key}` },
      });
      expect(models.status).toBe(403);
      const elsewhere = await make({ scopes: { addresses: ['192.0.2.0/24'] } });
      expect(await infer(elsewhere.key)).toBe(403);
      const past = await admin(gateway, 'POST', '/tenants/keys/keys', {
        name: 'k',
        expires_at: '2020-01-01T00:00:00Z',
      });
      expect(past).toMatchObject({ status: 400, body: { error: { param: 'expires_at' } } });

      const rotated = await make({});
      const fresh = await done(gateway, 'POST', `/tenants/keys/keys/${rotated.id}/rotate`, {
        grace_seconds: 3600,
      });
      expect([await infer(rotated.key), await infer(String(fresh.key))]).toEqual([200, 200]);
      expect(fresh.id).toBe(rotated.id);
      const again = await done(gateway, 'POST', `/tenants/keys/keys/${rotated.id}/rotate`, {
        grace_seconds: 0,
      });
      expect([
        await infer(rotated.key),
        await infer(String(fresh.key)),
        await infer(String(again.key)),
      ]).toEqual([401, 401, 200]);
      await done(gateway, 'DELETE', `/tenants/keys/keys/${rotated.id}`);
      expect(await infer(String(again.key))).toBe(401);
      expect(await done(gateway, 'GET', `/tenants/keys/keys/${rotated.id}`)).toMatchObject({
        state: 'revoked',
      });
      expect(codeOf(await admin(gateway, 'POST', `/tenants/keys/keys/${rotated.id}/rotate`, {}))).toBe(
        'conflict',
      );

      const trail = dataOf(await done(gateway, 'GET', `/tenants/keys/audit?subject=key:${rotated.id}`));
      expect(trail.map(({ action }) => action)).toEqual([
        'key.revoke',
        'key.rotate',
        'key.rotate',
        'key.create',
      ]);
      const text = JSON.stringify(trail);
      for (const secret of [rotated.key, String(fresh.key)]) expect(text).not.toContain(secret.slice(-24));
    });

    test('a tenant keeps an owner, and only owners make owners', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'people' });
      const user = async (name: string) =>
        String(
          (
            await done(gateway, 'POST', '/users', {
              email: `${name}@people.test`,
              name,
              password: 'correct horse',
            })
          ).id,
        );
      const [ann, ben] = [await user('Ann'), await user('Ben')];
      const add = (email: string, role: string) =>
        admin(gateway, 'POST', '/tenants/people/members', { email, role });
      expect((await add('ann@people.test', 'owner')).status).toBe(201);
      expect((await add('ANN@people.test ', 'owner')).status).toBe(409);
      expect((await add('nobody@people.test', 'viewer')).status).toBe(404);
      expect((await add('ben@people.test', 'boss')).status).toBe(400);
      await add('ben@people.test', 'admin');
      expect(codeOf(await admin(gateway, 'DELETE', `/tenants/people/members/${ann}`))).toBe('conflict');
      expect(
        codeOf(await admin(gateway, 'PATCH', `/tenants/people/members/${ann}`, { role: 'viewer' })),
      ).toBe('conflict');
      expect(
        codeOf(await admin(gateway, 'PATCH', `/tenants/people/members/${ann}`, { status: 'suspended' })),
      ).toBe('conflict');
      expect(codeOf(await admin(gateway, 'DELETE', `/users/${ann}`))).toBe('conflict');

      // Ben is an admin of the tenant, by a key of his that is made for this.
      const { key } = await done(gateway, 'POST', '/tenants/people/keys', {
        name: 'ben',
        member: ben,
        scopes: { endpoints: ['/admin/*'] },
      });
      const asBen = { key: String(key) };
      expect((await admin(gateway, 'GET', '/tenants/people/members', undefined, asBen)).status).toBe(200);
      expect(
        (await admin(gateway, 'PATCH', `/tenants/people/members/${ben}`, { role: 'owner' }, asBen)).status,
      ).toBe(403);
      expect(
        (await admin(gateway, 'PATCH', `/tenants/people/members/${ann}`, { role: 'viewer' }, asBen)).status,
      ).toBe(403);
      expect((await admin(gateway, 'PATCH', '/tenants/people', { tier: 'enterprise' }, asBen)).status).toBe(
        403,
      );
      expect((await admin(gateway, 'GET', '/tenants', undefined, asBen)).status).toBe(403);
      expect((await admin(gateway, 'GET', '/users', undefined, asBen)).status).toBe(403);
      expect(await infer(asBen.key)).toBe(403);

      // An owner's key would be an owner's rights.
      const steal = { name: 'x', member: ann, scopes: { endpoints: ['/admin/*'] } };
      expect((await admin(gateway, 'POST', '/tenants/people/keys', steal, asBen)).status).toBe(403);
      const hers = await done(gateway, 'POST', '/tenants/people/keys', steal);
      const path = `/tenants/people/keys/${String(hers.id)}`;
      expect((await admin(gateway, 'POST', `${path}/rotate`, {}, asBen)).status).toBe(403);
      expect((await admin(gateway, 'PATCH', path, { scopes: {} }, asBen)).status).toBe(403);
      expect((await admin(gateway, 'DELETE', path, undefined, asBen)).status).toBe(200);

      // With two owners one may go; and both at the same time may not.
      await done(gateway, 'PATCH', `/tenants/people/members/${ben}`, { role: 'owner' });
      const both = await Promise.all(
        [ann, ben].map((id) => admin(gateway, 'PATCH', `/tenants/people/members/${id}`, { role: 'viewer' })),
      );
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);

      // Who is removed takes the keys along.
      const owner = both[0]?.status === 200 ? ben : ann;
      const other = owner === ben ? ann : ben;
      const own = await done(gateway, 'POST', '/tenants/people/keys', { name: 'own', member: other });
      expect(await infer(String(own.key))).toBe(200);
      await done(gateway, 'DELETE', `/tenants/people/members/${other}`);
      expect(await infer(String(own.key))).toBe(401);
    });

    test('a plain key does not open the admin API, whichever member owns it', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'plain' });
      const account = await done(gateway, 'POST', '/tenants/plain/service-accounts', {
        name: 'batch',
        role: 'admin',
      });
      const { key } = await done(gateway, 'POST', '/tenants/plain/keys', { name: 'k', member: account.id });
      expect(await infer(String(key))).toBe(200);
      for (const path of ['/me', '/tenants', '/tenants/plain', '/tenants/plain/keys', '/targets']) {
        expect([path, (await admin(gateway, 'GET', path, undefined, { key: String(key) })).status]).toEqual([
          path,
          403,
        ]);
      }
      expect((await admin(gateway, 'GET', '/me', undefined, { key: '' })).status).toBe(401);
    });

    test('no route lets one tenant reach into another, or learn whether it is there', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'mine' });
      await done(gateway, 'POST', '/tenants', { id: 'theirs' });
      const victim = await done(gateway, 'POST', '/tenants/theirs/keys', { name: 'victim' });
      const member = await done(gateway, 'POST', '/tenants/theirs/service-accounts', {
        name: 'victim',
        role: 'admin',
      });
      const invitation = await done(gateway, 'POST', '/tenants/theirs/invitations', {
        email: 'v@theirs.test',
        role: 'viewer',
      });
      const account = await done(gateway, 'POST', '/tenants/mine/service-accounts', {
        name: 'thief',
        role: 'admin',
      });
      const { key } = await done(gateway, 'POST', '/tenants/mine/keys', {
        name: 'thief',
        member: account.id,
        scopes: { endpoints: ['/*'] },
      });
      const thief = { key: String(key) };

      const document = await (await fetch(`${gateway.url}/openapi.json`)).json();
      const before = JSON.stringify(await stateOf('theirs'));
      let tried = 0;
      for (const [path, methods] of Object.entries<Record<string, unknown>>(document.paths)) {
        if (!path.startsWith('/admin/v1/tenants/{tenant}')) continue;
        for (const method of Object.keys(methods)) {
          const at = (tenant: string, ids: Record<string, unknown>) =>
            path
              .slice('/admin/v1'.length)
              .replace('{tenant}', tenant)
              .replaceAll(/\{(\w+)\}/g, (_, name: string) => String(ids[name] ?? 'none'));
          const ids = { key: victim.id, member: member.id, invitation: invitation.id };
          const body = method === 'get' || method === 'delete' ? undefined : { name: 'stolen' };
          const call = (tenant: string) => admin(gateway, method.toUpperCase(), at(tenant, ids), body, thief);
          const [real, none] = [await call('theirs'), await call('no-such-tenant')];
          expect([path, method, real.status, real.body]).toEqual([path, method, 404, none.body]);
          // The ids of others, asked for in one's own tenant, are not there either.
          if (path.includes('{key}') || path.includes('{member}') || path.includes('{invitation}')) {
            const own = await admin(
              gateway,
              method.toUpperCase(),
              at('mine', ids),
              method === 'get' || method === 'delete'
                ? undefined
                : path.endsWith('rotate')
                  ? {}
                  : { name: 'stolen' },
              thief,
            );
            expect([path, method, own.status]).toEqual([path, method, 404]);
          }
          tried += 1;
        }
      }
      expect(tried).toBeGreaterThan(15);
      expect(JSON.stringify(await stateOf('theirs'))).toBe(before);
    });

    async function stateOf(tenant: string): Promise<unknown> {
      const lists = ['keys', 'members', 'invitations', 'audit'];
      return Promise.all([
        done(gateway, 'GET', `/tenants/${tenant}`),
        ...lists.map((list) => done(gateway, 'GET', `/tenants/${tenant}/${list}`)),
      ]);
    }

    test('a suspended tenant is refused until it is not', async () => {
      await done(gateway, 'POST', '/tenants', { id: 'late' });
      const { key } = await done(gateway, 'POST', '/tenants/late/keys', { name: 'k' });
      await done(gateway, 'PATCH', '/tenants/late', { status: 'suspended' });
      expect(await infer(String(key))).toBe(403);
      await done(gateway, 'PATCH', '/tenants/late', { status: 'active' });
      expect(await infer(String(key))).toBe(200);
    });

    test('permissions and tiers are listed from what decides', async () => {
      const permissions = dataOf(await done(gateway, 'GET', '/permissions'));
      expect(permissions.find(({ id }) => id === 'owners:write')).toMatchObject({ roles: ['owner'] });
      const tiers = dataOf(await done(gateway, 'GET', '/tiers'));
      expect(tiers.map(({ id }) => id)).toEqual(['free', 'basic', 'pro', 'enterprise']);
      expect(await done(gateway, 'GET', '/me')).toMatchObject({ platform_admin: true });
    });
  });
}

describe.skipIf(!hasPostgres)('two gateways on one PostgreSQL', () => {
  test('know of each other’s changes within a second, and start side by side', async () => {
    const env = { DATABASE_URL: await (await sharedPostgres()).freshUrl() };
    const [one, two] = await Promise.all([startGateway({ env }), startGateway({ env })]);
    try {
      await done(one, 'POST', '/tenants', { id: 'shared' });
      await eventually(
        'the tenant is known',
        async () => (await admin(two, 'GET', '/tenants/shared')).status === 200,
      );
      const { key, id } = await done(one, 'POST', '/tenants/shared/keys', { name: 'k' });
      const status = async () => {
        const response = await post(two, chat({ model: 'simulator' }), {
          headers: { authorization: `Bearer ${String(key)}` },
        });
        await response.arrayBuffer();
        return response.status;
      };
      await eventually('the key works', async () => (await status()) === 200);
      const revokedAt = performance.now();
      await done(one, 'DELETE', `/tenants/shared/keys/${String(id)}`);
      await eventually('the key is refused', async () => (await status()) === 401);
      expect(performance.now() - revokedAt).toBeLessThan(3_000);
    } finally {
      await one.stop();
      await two.stop();
    }
  });
});
