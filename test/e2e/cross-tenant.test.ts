import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { createBatch, uploadFile } from '../support/upload-file.ts';
import { Organisation, pathWith } from './helpers/organisation.ts';
import { ROUTES } from './helpers/route-table.ts';

/** What a tenant has, and the credentials of those who own it. */
interface Tenant {
  /** Values of the parameters of routes. */
  readonly ids: Readonly<Record<string, string>>;
  readonly key: string;
  readonly ownerSession: string;
  readonly adminApiKey: string;
}

/** Names that only the tenant `beta` has: no other tenant may read them. */
const SECRETS = [
  'Beta Holding',
  'beta-owner',
  'beta-developer',
  'beta-robot',
  'beta-key',
  'beta-answer',
  'beta-prompt',
];

let gateway: InProcessGateway;
let alpha: Tenant;
let beta: Tenant;

async function createTenant(organisation: Organisation, id: string, name: string): Promise<Tenant> {
  const at = `/admin/v1/tenants/${id}`;
  await organisation.done('POST', '/admin/v1/tenants', { id, name });
  const owner = await organisation.member(id, `${id}-owner`, 'owner');
  const member = await organisation.member(id, `${id}-developer`, 'developer');
  await organisation.done('POST', `${at}/service-accounts`, { name: `${id}-robot`, role: 'developer' });
  const invited = await organisation.done('POST', `${at}/invitations`, {
    ...{ email: `${id}-invited@beta.test`, role: 'viewer' },
  });
  const key = await organisation.key(id, { name: `${id}-key`, member });
  const scopes = { endpoints: ['/admin/*'] };
  const adminApi = await organisation.key(id, { name: `${id}-admin-api`, member: owner, scopes });
  const ownerSession = await organisation.session(id, `${id}-owner`);
  const sessions = await gateway.call('GET', '/v1/auth/sessions', { key: ownerSession });
  const [session] = /ses_\w+/.exec(sessions.text) ?? [''];
  const webhook = await organisation.done('POST', `${at}/webhooks`, {
    ...{ url: `https://${id}.example.com/`, description: `${name} hook`, events: ['*'] },
  });
  const receiver = await organisation.done('POST', `${at}/alert-receivers`, {
    ...{ name: `${name} chat`, type: 'slack', url: `https://${id}.example.com/alerts` },
  });
  const silence = await organisation.done('POST', `${at}/alert-silences`, {
    ...{ matchers: [{ label: 'rule', value: 'latency' }], comment: `${name} pause` },
  });
  const response = await gateway.call('POST', '/v1/responses', {
    key: String(key.key),
    body: { model: 'simulator', input: `${id}-answer`, max_output_tokens: 5 },
  });
  const prompt = await organisation.done('POST', `${at}/prompts`, {
    ...{ name: `${id}-prompt`, messages: [{ role: 'user', content: `${id}-answer` }] },
  });
  const file = await uploadFile(gateway, String(key.key), `${id}-answer`, `${id}-answer.jsonl`);
  const batch = await createBatch(gateway, String(key.key));
  const queued = await gateway.call('POST', '/v1/embeddings', {
    ...{ key: String(key.key), headers: { prefer: 'respond-async' } },
    body: { model: 'simulator', input: `${id}-answer` },
  });
  const schedule = await organisation.done('POST', `${at}/report-schedules`, {
    ...{ name: `${id}-report`, period: 'monthly' },
  });
  return {
    ids: {
      ...{ file, batch, async: String(queued.body.id) },
      ...{ schedule: String(schedule.id), report: 'none' },
      ...{ tenant: id, member, invitation: String(invited.id), key: String(key.id), user: owner, session },
      ...{ id: String(response.body.id), provider: 'none', prompt: String(prompt.id) },
      ...{ invoice: 'none', cost: 'none' },
      ...{ webhook: String(webhook.id), delivery: 'none', alert: 'none', rule: 'latency' },
      ...{ receiver: String(receiver.id), silence: String(silence.id) },
    },
    key: String(key.key),
    ownerSession,
    adminApiKey: String(adminApi.key),
  };
}

beforeAll(async () => {
  gateway = await gatewayInProcess();
  const organisation = new Organisation(gateway);
  alpha = await createTenant(organisation, 'alpha', 'Alpha');
  beta = await createTenant(organisation, 'beta', 'Beta Holding');
}, 60_000);
afterAll(() => gateway?.close());

/** Routes that read or change what an id names; those of operators are in the role matrix. */
const WITH_IDS = ROUTES.filter(([route]) => /:(tenant|session|id|file|batch|async)\b/.test(route)).filter(
  ([route]) => !route.includes(':id{'),
);

async function attempt(route: string, ids: Tenant['ids'], key: string) {
  const [method = '', pattern = ''] = route.split(' ');
  const result = await gateway.call(method, pathWith(pattern, ids), {
    key,
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: BODIES[route] ?? {} }),
  });
  const leaked = SECRETS.filter((secret) => result.text.includes(secret));
  return { ...result, leaked };
}

/** Bodies that would succeed for those who may. */
const BODIES: Readonly<Record<string, unknown>> = {
  'PATCH /admin/v1/tenants/:tenant': { name: 'Taken' },
  'POST /admin/v1/tenants/:tenant/members': { email: 'alpha-owner@alpha.test', role: 'owner' },
  'POST /admin/v1/tenants/:tenant/service-accounts': { name: 'spy', role: 'admin' },
  'PATCH /admin/v1/tenants/:tenant/members/:member': { role: 'owner' },
  'POST /admin/v1/tenants/:tenant/invitations': { email: 'alpha-owner@alpha.test', role: 'admin' },
  'POST /admin/v1/tenants/:tenant/keys': { name: 'spy' },
  'PATCH /admin/v1/tenants/:tenant/keys/:key': { name: 'taken' },
  'PATCH /admin/v1/tenants/:tenant/prompts/:prompt': { name: 'taken' },
};

describe('what belongs to another tenant', () => {
  test.each(WITH_IDS)('%s', async (route) => {
    for (const key of [alpha.ownerSession, alpha.adminApiKey, alpha.key]) {
      const { status, text, leaked } = await attempt(route, beta.ids, key);
      expect([route, [401, 403, 404].includes(status), text, leaked]).toEqual([route, true, text, []]);
    }
  });

  test('is answered like what does not exist', async () => {
    const nothing = { ...beta.ids, tenant: 'nowhere' };
    for (const [route] of WITH_IDS.filter(([one]) => one.includes(':tenant'))) {
      const [there, nowhere] = [
        await attempt(route, beta.ids, alpha.ownerSession),
        await attempt(route, nothing, alpha.ownerSession),
      ];
      expect([route, there.status, there.text]).toEqual([route, nowhere.status, nowhere.text]);
    }
  });

  test('is not found under one’s own tenant either', async () => {
    const mixed = { ...beta.ids, tenant: 'alpha' };
    for (const [route] of WITH_IDS.filter(([one]) =>
      /:tenant\/.*:(member|invitation|key|prompt|batch|file|async)\b/.test(one),
    )) {
      const { status, leaked } = await attempt(route, mixed, alpha.ownerSession);
      expect([route, status, leaked]).toEqual([route, 404, []]);
    }
  });

  test('is still as it was', async () => {
    const own = async (path: string) => (await gateway.call('GET', path, { key: beta.ownerSession })).text;
    expect(await own('/admin/v1/tenants/beta')).toContain('Beta Holding');
    const keys = await own('/admin/v1/tenants/beta/keys');
    expect([keys.includes('beta-key'), keys.includes('spy'), keys.includes('revoked"')]).toEqual([
      true,
      false,
      false,
    ]);
    const members = await own('/admin/v1/tenants/beta/members');
    expect([members.includes('beta-developer'), members.includes('alpha')]).toEqual([true, false]);
    const stored = await gateway.call('GET', `/v1/responses/${beta.ids.id}`, { key: beta.key });
    expect(stored.status).toBe(200);
    expect((await gateway.call('GET', '/v1/auth/session', { key: beta.ownerSession })).status).toBe(200);
  });
});

test('a conversation of another tenant is not continued', async () => {
  const { status, text } = await gateway.call('POST', '/v1/responses', {
    key: alpha.key,
    body: { model: 'simulator', input: 'Go on.', previous_response_id: beta.ids.id, max_output_tokens: 5 },
  });
  expect([status, text.includes('beta-answer')]).toEqual([400, false]);
});

test('lists of one tenant hold nothing of another', async () => {
  for (const list of [
    'members',
    'keys',
    'invitations',
    'audit',
    'limits',
    'usage',
    'usage/events',
    'prompts',
  ]) {
    const { status, text } = await gateway.call('GET', `/admin/v1/tenants/alpha/${list}`, {
      key: alpha.ownerSession,
    });
    expect([list, status, SECRETS.filter((secret) => text.includes(secret))]).toEqual([list, 200, []]);
  }
  for (const list of ['batches', 'files', 'async-requests']) {
    const { status, text } = await gateway.call('GET', `/admin/v1/${list}`, { key: alpha.ownerSession });
    const [own, other] = [text.includes('"tenant":"alpha"'), text.includes('"tenant":"beta"')];
    expect([list, status, own, other]).toEqual([list, 200, true, false]);
    const foreign = await gateway.call('GET', `/admin/v1/${list}?tenant=beta`, { key: alpha.ownerSession });
    expect([list, foreign.status, foreign.text.includes('"data"')]).toEqual([list, 404, false]);
  }
  const usage = await gateway.call('GET', '/v1/usage', { key: alpha.key });
  expect([usage.status, SECRETS.filter((secret) => usage.text.includes(secret))]).toEqual([200, []]);
});
