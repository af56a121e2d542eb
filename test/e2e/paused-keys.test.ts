import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { chat, expectError, post } from './harness.ts';
import { admin, codeOf, dataOf, done } from './helpers/admin.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway?.stop());

const ask = (key: unknown) =>
  post(gateway, chat({ model: 'simulator' }), { headers: { authorization: `Bearer ${String(key)}` } });

/** A tenant with a developer and its admin, each with a key for the admin API. */
async function team(tenant: string) {
  await done(gateway, 'POST', '/tenants', { id: tenant, tier: null });
  const member = async (role: string) => {
    const account = await done(gateway, 'POST', `/tenants/${tenant}/service-accounts`, { name: role, role });
    const key = await done(gateway, 'POST', `/tenants/${tenant}/keys`, {
      name: `${role} console`,
      member: account.id,
      scopes: { endpoints: ['/*'] },
    });
    return { id: account.id, as: { key: String(key.key) } };
  };
  return { developer: await member('developer'), manager: await member('admin') };
}

test('a paused key is rejected, its tokens too, until it is resumed', async () => {
  await done(gateway, 'POST', '/tenants', { id: 'acme', tier: null });
  const created = await done(gateway, 'POST', '/tenants/acme/keys', { name: 'app' });
  const path = `/tenants/acme/keys/${String(created.id)}`;
  const issued = await fetch(`${gateway.url}/v1/auth/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${String(created.key)}` },
  });
  const { access_token: token } = await issued.json();
  expect((await ask(created.key)).status).toBe(200);
  expect((await ask(token)).status).toBe(200);

  expect(await done(gateway, 'PATCH', path, { paused: true })).toMatchObject({
    state: 'paused',
    paused_at: expect.any(String),
  });
  for (const secret of [created.key, token]) {
    const error = await expectError(await ask(secret), 403, 'permission_denied');
    expect(error.message).toStartWith('This API key is paused.');
  }
  expect(dataOf(await done(gateway, 'GET', '/tenants/acme/keys?state=paused'))).toHaveLength(1);
  expect(dataOf(await done(gateway, 'GET', '/tenants/acme/keys?state=active'))).toEqual([]);

  expect(await done(gateway, 'PATCH', path, { paused: false })).toMatchObject({
    state: 'active',
    paused_at: null,
  });
  expect((await ask(created.key)).status).toBe(200);
  const audit = dataOf(await done(gateway, 'GET', '/tenants/acme/audit'));
  const changes = audit.filter(({ action }) => action === 'key.update').map(({ details }) => details);
  expect(JSON.stringify(changes)).toContain('"paused"');
});

test('the owner of a key ends its own pause, and not that of an administrator', async () => {
  const { developer, manager } = await team('beta');
  const { id } = await done(gateway, 'POST', '/tenants/beta/keys', { name: 'app', member: developer.id });
  const change = (paused: boolean, as: { key: string }) =>
    admin(gateway, 'PATCH', `/tenants/beta/keys/${String(id)}`, { paused }, as);
  expect((await change(true, developer.as)).status).toBe(200);
  expect((await change(false, developer.as)).status).toBe(200);
  expect((await change(true, manager.as)).status).toBe(200);
  const refused = await change(false, developer.as);
  expect([refused.status, codeOf(refused)]).toEqual([403, 'permission_denied']);
  expect((await change(false, manager.as)).status).toBe(200);
});

test('a key is rotated without a body', async () => {
  const created = await done(gateway, 'POST', '/tenants/default/keys', { name: 'app' });
  const rotated = await admin(gateway, 'POST', `/tenants/default/keys/${String(created.id)}/rotate`);
  expect(rotated.status).toBe(200);
  expect((await ask(rotated.body.key)).status).toBe(200);
  // The old secret works for a day.
  expect((await ask(created.key)).status).toBe(200);
});
