import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { monthBefore } from '../../src/billing/month.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { type SmtpReceiver, startSmtpReceiver } from '../support/smtp-receiver.ts';
import { createBatch, uploadFile } from '../support/upload-file.ts';
import { addFailedJob } from './helpers/failed-job.ts';
import { Organisation } from './helpers/organisation.ts';

/**
 * Calls every route that changes something, and looks for the entry of the request in an audit trail. A route without a step
 * here fails the test: what is sensitive and new must not stay unrecorded.
 */

/** Routes that change nothing that an auditor asks for. */
const UNRECORDED: Readonly<Record<string, string>> = {
  'POST /admin/v1/route': 'a dry run, which sends nothing',
  'POST /admin/v1/tenants/:tenant/limits/simulate': 'a computation, which stores nothing',
  'POST /admin/v1/guardrails/test': 'a dry run on a text of the caller',
  'POST /admin/v1/tenants/:tenant/guardrails/test': 'a dry run on a text of the caller',
  'POST /admin/v1/events/trigger': 'a test event, which is stored with its actor',
  'POST /admin/v1/tenants/:tenant/events/trigger': 'a test event, which is stored with its actor',
  'POST /admin/v1/tenants/:tenant/alert-rules/dry-run': 'a computation, which stores nothing',
  'POST /admin/v1/alert-receivers/:receiver/test': 'a test message, which changes nothing',
  'POST /admin/v1/tenants/:tenant/alert-receivers/:receiver/test': 'a test message, which changes nothing',
  'POST /admin/v1/webhooks/:webhook/test': 'a test delivery, which the log of deliveries has',
  'POST /admin/v1/tenants/:tenant/webhooks/:webhook/test': 'a test delivery, which the log of deliveries has',
  'POST /admin/v1/webhooks/:webhook/redeliver': 'a delivery, which the log of deliveries has',
  'POST /admin/v1/tenants/:tenant/webhooks/:webhook/redeliver': 'a delivery, which the log of deliveries has',
  'POST /admin/v1/webhooks/:webhook/deliveries/:delivery/redeliver':
    'a delivery, which the log of deliveries has',
  'POST /admin/v1/tenants/:tenant/webhooks/:webhook/deliveries/:delivery/redeliver':
    'a delivery, which the log of deliveries has',
};
const ADMINISTRATION = /^(?:POST|PUT|PATCH|DELETE) \/(?:admin\/|v1\/auth\/|cache\/)/;

let gateway: InProcessGateway;
let organisation: Organisation;
const targets = [{ provider: 'simulator', model: 'simulator' }];
let receiver: SmtpReceiver;
beforeAll(async () => {
  receiver = await startSmtpReceiver();
  gateway = await gatewayInProcess({
    config: {
      cache: {},
      simulator: 'all',
      providers: [{ id: 'more', ...provider() }],
      models: [
        { id: 'b', targets },
        { id: 'chat', targets, canary: { model: 'b', percent: 5 } },
      ],
      mail: { host: '127.0.0.1', port: receiver.port, tls: 'off', from: 'billing@weir.test' },
      billing: { issuer: { name: 'Weir Operations Ltd' } },
      exports: [{ id: 'lake', type: 'http', url: 'https://127.0.0.1:9/', every: '1d' }],
      engines: { commands: [{ id: 'one', command: ['sh', '-c', 'exit 0', '{port}'] }] },
    },
  });
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme' });
  ids.set('member', await organisation.member('acme', 'jo', 'developer'));
}, 30_000);
afterAll(async () => {
  await gateway?.close();
  receiver?.close();
});

/** What earlier steps made, by the name of the path's parameter. */
const ids = new Map<string, string>();

interface Step {
  readonly route: string;
  readonly params?: Readonly<Record<string, () => string>>;
  /** After the path. */
  readonly query?: string;
  readonly body?: () => unknown;
  /** The credential; the admin key when absent. */
  readonly key?: () => Promise<string>;
  /** Receives the response. */
  readonly keep?: (body: CallResult['body']) => void;
}

const TENANT = '/admin/v1/tenants/:tenant';
const password = 'another horse battery';
const keep =
  (name: string, member = 'id') =>
  (body: CallResult['body']) => {
    ids.set(name, String(body[member]));
  };
const id = (name: string) => () => ids.get(name) ?? '';
/** One that refuses connections. */
const provider = () => ({ kind: 'openai-compatible', base_url: 'http://127.0.0.1:9/v1', discover: false });
const session = () => organisation.session('acme', 'jo');
const closeLastMonth = (tenant: string): Step => ({
  route: 'POST /admin/v1/billing/close',
  body: () => ({ month: monthBefore(new Date().toISOString().slice(0, 7)), tenant }),
  keep: ({ data }) => ids.set('invoice', String(Array.isArray(data) ? data[0]?.invoice : '')),
});
const INVOICE = '/admin/v1/billing/invoices/:invoice';

/** In this order: later steps use what earlier ones made. */
const STEPS: readonly Step[] = [
  { route: 'POST /admin/v1/tenants', body: () => ({ id: 'gone' }) },
  { route: `PATCH ${TENANT}`, body: () => ({ name: 'Acme Inc.' }) },
  { route: 'DELETE /admin/v1/tenants/:tenant', params: { tenant: () => 'gone' } },
  {
    route: 'POST /admin/v1/users',
    body: () => ({ email: 'al@acme.test', name: 'Al', password: Organisation.PASSWORD }),
    keep: keep('user'),
  },
  { route: 'PATCH /admin/v1/users/:user', body: () => ({ name: 'Albert' }) },
  { route: `POST ${TENANT}/members`, body: () => ({ email: 'al@acme.test', role: 'viewer' }) },
  { route: `PATCH ${TENANT}/members/:member`, body: () => ({ role: 'admin' }) },
  { route: `DELETE ${TENANT}/members/:member`, params: { member: id('user') } },
  { route: 'DELETE /admin/v1/users/:user' },
  { route: `POST ${TENANT}/service-accounts`, body: () => ({ name: 'robot', role: 'developer' }) },
  {
    route: `POST ${TENANT}/invitations`,
    body: () => ({ email: 'new@acme.test', role: 'viewer' }),
    keep: keep('invitation'),
  },
  { route: `DELETE ${TENANT}/invitations/:invitation` },
  {
    route: `POST ${TENANT}/invitations`,
    body: () => ({ email: 'new@acme.test', role: 'viewer' }),
    keep: keep('token', 'token'),
  },
  {
    route: 'POST /v1/auth/invitations/accept',
    body: () => ({ token: ids.get('token'), name: 'New', password: Organisation.PASSWORD }),
  },
  {
    route: `POST ${TENANT}/keys`,
    body: () => ({ name: 'app' }),
    keep: (body) => {
      keep('key')(body);
      keep('secret', 'key')(body);
    },
  },
  { route: 'POST /v1/auth/token', key: async () => ids.get('secret') ?? '' },
  {
    route: `POST ${TENANT}/batches/:batch/cancel`,
    params: { batch: id('batch') },
    key: async () => {
      ids.set('batch', await createBatch(gateway, ids.get('secret') ?? ''));
      return gateway.adminKey;
    },
  },
  {
    route: `DELETE ${TENANT}/files/:file`,
    params: { file: id('file') },
    key: async () => {
      ids.set('file', await uploadFile(gateway, ids.get('secret') ?? '', '{}'));
      return gateway.adminKey;
    },
  },
  {
    route: `DELETE ${TENANT}/async-requests/:async`,
    params: { async: id('async') },
    key: async () => {
      const queued = await gateway.call('POST', '/v1/chat/completions', {
        ...{ key: ids.get('secret'), headers: { prefer: 'respond-async' } },
        body: { model: 'b', messages: [{ role: 'user', content: 'x' }] },
      });
      if (queued.status !== 202) throw new Error(queued.text);
      ids.set('async', String(queued.body.id));
      return gateway.adminKey;
    },
  },
  {
    route: 'POST /admin/v1/jobs/failed/:job/retry',
    params: { job: () => 'set-aside' },
    key: async () => {
      await addFailedJob(gateway, 'set-aside');
      return gateway.adminKey;
    },
  },
  { route: `PATCH ${TENANT}/keys/:key`, body: () => ({ paused: true }) },
  { route: `POST ${TENANT}/keys/:key/rotate`, body: () => ({}) },
  { route: `DELETE ${TENANT}/keys/:key` },
  { route: 'POST /admin/v1/keys', body: () => ({ name: 'second' }), keep: keep('key') },
  { route: 'PATCH /admin/v1/keys/:key', body: () => ({ name: 'renamed' }) },
  { route: 'POST /admin/v1/keys/:key/rotate', body: () => ({}) },
  { route: 'DELETE /admin/v1/keys/:key' },
  {
    route: 'POST /admin/v1/targets',
    body: () => ({ provider: 'simulator', model: 'simulator', override: 'force' }),
  },
  { route: 'POST /admin/v1/engines', body: () => ({ id: 'one', action: 'unload' }) },
  { route: 'POST /admin/v1/canaries', body: () => ({ model: 'chat', action: 'stop' }) },
  { route: 'POST /admin/v1/providers/test', body: () => ({ provider: { id: 'more', ...provider() } }) },
  { route: 'PUT /admin/v1/providers/:id', params: { id: () => 'more' }, body: provider },
  { route: 'POST /admin/v1/providers/:id/reset', params: { id: () => 'more' } },
  { route: 'PUT /admin/v1/models/:id', params: { id: () => 'new' }, body: () => ({ targets }) },
  { route: 'DELETE /admin/v1/models/:id', params: { id: () => 'new' } },
  { route: 'PUT /admin/v1/models/:id', params: { id: () => 'b' }, body: () => ({ targets }) },
  { route: 'POST /admin/v1/models/:id/reset', params: { id: () => 'b' } },
  { route: 'PUT /admin/v1/providers/:id', params: { id: () => 'other' }, body: provider },
  { route: 'DELETE /admin/v1/providers/:id', params: { id: () => 'other' } },
  {
    route: 'POST /admin/v1/config/changes/:change/revert',
    params: { change: id('change') },
    key: async () => {
      const { data } = await organisation.done('GET', '/admin/v1/config/changes?limit=1');
      const [one] = Array.isArray(data) ? data : [];
      ids.set('change', String(one?.id));
      return gateway.adminKey;
    },
  },
  {
    route: `POST ${TENANT}/prompts`,
    body: () => ({ name: 'Greeting', messages: [{ role: 'user', content: 'Hello.' }] }),
    keep: keep('prompt'),
  },
  { route: `PATCH ${TENANT}/prompts/:prompt`, body: () => ({ name: 'Welcome' }) },
  { route: `DELETE ${TENANT}/prompts/:prompt` },
  ...[TENANT, '/admin/v1'].flatMap((of): Step[] => [
    {
      route: `POST ${of}/webhooks`,
      body: () => ({ url: 'https://hooks.example.com/weir', events: ['budget.*'] }),
      keep: keep('webhook'),
    },
    { route: `PATCH ${of}/webhooks/:webhook`, body: () => ({ events: ['budget.exceeded'] }) },
    { route: `POST ${of}/webhooks/:webhook/rotate`, body: () => ({}) },
    { route: `DELETE ${of}/webhooks/:webhook` },
    {
      route: `PUT ${of}/alert-rules/:rule`,
      params: { rule: () => 'latency' },
      body: () => ({ above: 5_000 }),
    },
    { route: `DELETE ${of}/alert-rules/:rule`, params: { rule: () => 'latency' } },
    {
      route: `POST ${of}/alert-silences`,
      body: () => ({ matchers: [{ label: 'rule', value: 'latency' }], comment: 'Maintenance' }),
      keep: keep('silence'),
    },
    { route: `DELETE ${of}/alert-silences/:silence` },
    {
      route: `POST ${of}/alert-receivers`,
      body: () => ({ name: 'On call', type: 'email', to: ['ops@acme.test'] }),
      keep: keep('receiver'),
    },
    { route: `PATCH ${of}/alert-receivers/:receiver`, body: () => ({ severity: 'critical' }) },
    { route: `DELETE ${of}/alert-receivers/:receiver` },
    {
      route: `POST ${of}/report-schedules`,
      body: () => ({ name: 'Cost', period: 'monthly' }),
      keep: keep('schedule'),
    },
    { route: `PATCH ${of}/report-schedules/:schedule`, body: () => ({ enabled: false }) },
    { route: `DELETE ${of}/report-schedules/:schedule` },
  ]),
  {
    route: 'POST /admin/v1/billing/prices',
    body: () => ({ valid_from: '2020-01-01', minimum: '1' }),
  },
  { route: `POST ${TENANT}/billing/prices`, body: () => ({ valid_from: '2020-01-01', minimum: '2' }) },
  { route: `PUT ${TENANT}/billing/account`, body: () => ({ name: 'Acme AG' }) },
  {
    route: 'POST /admin/v1/billing/costs',
    body: () => ({ month: '2026-01', kind: 'storage', description: 'Disks', amount: '5' }),
    keep: keep('cost'),
  },
  { route: 'DELETE /admin/v1/billing/costs/:cost' },
  closeLastMonth('acme'),
  { route: `DELETE ${INVOICE}` },
  closeLastMonth('acme'),
  { route: `POST ${INVOICE}/issue` },
  { route: `POST ${INVOICE}/pay`, body: () => ({}) },
  { route: `POST ${INVOICE}/send`, body: () => ({ to: 'fin@acme.test' }) },
  { route: `POST ${INVOICE}/credit`, body: () => ({ reason: 'Outage' }) },
  closeLastMonth('default'),
  { route: `POST ${INVOICE}/issue` },
  { route: `POST ${INVOICE}/void`, body: () => ({ reason: 'Wrong address' }) },
  ...['test', 'pause', 'resume', 'rewind'].map((action) => ({
    route: `POST /admin/v1/exports/:export/${action}`,
    params: { export: () => 'lake' },
    ...(action === 'rewind' && { body: () => ({ from: '2026-01-01T00:00:00Z' }) }),
  })),
  { route: `POST ${TENANT}/request-log/rotate-key` },
  { route: `DELETE ${TENANT}/request-log`, query: '?all=true' },
  { route: 'POST /admin/v1/cache/clear', body: () => ({}) },
  { route: 'POST /admin/v1/cache/semantic/enable', body: () => ({ tenant: 'acme', model: 'chat' }) },
  { route: `POST ${TENANT}/cache/semantic/enable`, body: () => ({ model: 'chat' }) },
  { route: `POST ${TENANT}/cache/clear`, body: () => ({}) },
  { route: 'POST /cache/clear' },
  { route: 'POST /admin/v1/audit/chain/verify' },
  { route: `POST ${TENANT}/audit/chain/verify` },
  {
    route: 'POST /v1/auth/sign-in',
    body: () => ({ email: 'jo@acme.test', password: Organisation.PASSWORD }),
  },
  {
    route: 'DELETE /v1/auth/sessions/:session',
    params: { session: id('session') },
    key: async () => {
      const secret = await session();
      const { body } = await gateway.call('GET', '/v1/auth/sessions', { key: secret });
      const [one] = Array.isArray(body.data) ? body.data : [];
      ids.set('session', String(one?.id));
      return secret;
    },
  },
  {
    route: 'DELETE /admin/v1/users/:user/sessions/:session',
    params: { user: id('member'), session: id('session') },
    key: async () => {
      await session();
      const { data } = await organisation.done('GET', `/admin/v1/users/${ids.get('member')}/sessions`);
      const [one] = Array.isArray(data) ? data : [];
      ids.set('session', String(one?.id));
      return gateway.adminKey;
    },
  },
  {
    route: 'POST /v1/auth/password',
    key: session,
    body: () => ({ current: Organisation.PASSWORD, password }),
  },
  {
    route: 'POST /v1/auth/sign-out',
    key: async () => {
      const body = { email: 'jo@acme.test', password };
      return String((await gateway.call('POST', '/v1/auth/sign-in', { body })).body.session);
    },
  },
];

function pathOf({ route, params = {} }: Step): string {
  const pattern = route.slice(route.indexOf(' ') + 1);
  return pattern.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = params[name]?.() ?? (name === 'tenant' ? 'acme' : (ids.get(name) ?? ''));
    return encodeURIComponent(value);
  });
}

async function entriesOf(requestId: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const path of ['/admin/v1/audit', '/admin/v1/tenants/acme/audit', '/admin/v1/tenants/default/audit']) {
    const { data } = await organisation.done('GET', `${path}?limit=200`);
    if (Array.isArray(data)) found.push(...data.filter((entry) => entry.request_id === requestId));
  }
  return found;
}

describe('the audit trail', () => {
  test('has a step for every route that changes something', async () => {
    const routes = (await gateway.gateway.router.routes())
      .map(({ method, path }) => `${method} ${path}`)
      .filter((route) => ADMINISTRATION.test(route) && UNRECORDED[route] === undefined);
    const steps = new Set(STEPS.map(({ route }) => route));
    expect(routes.filter((route) => !steps.has(route))).toEqual([]);
    expect([...steps].filter((route) => !routes.includes(route))).toEqual([]);
  });

  test('has an entry of each, with who, from where and in which request', async () => {
    const unrecorded: string[] = [];
    for (const [at, step] of STEPS.entries()) {
      const key = (await step.key?.()) ?? gateway.adminKey;
      const requestId = `audited-${at}`;
      const isOpen = step.route.endsWith('/sign-in') || step.route.endsWith('/accept');
      const result = await gateway.call(
        step.route.split(' ')[0] ?? '',
        `${pathOf(step)}${step.query ?? ''}`,
        {
          ...(isOpen ? {} : { key }),
          ...(step.body ? { body: step.body() } : {}),
          headers: { 'x-request-id': requestId },
          address: '192.0.2.7',
        },
      );
      if (result.status >= 300) unrecorded.push(`${step.route}: ${result.status} ${result.text}`);
      step.keep?.(result.body);
      const entries = await entriesOf(requestId);
      if (entries.length === 0) unrecorded.push(`${step.route}: no entry`);
      else {
        expect(entries[0]).toMatchObject({
          actor: expect.stringMatching(/^(?:key|user):/),
          address: '192.0.2.7',
          sequence: expect.any(Number),
        });
      }
    }
    expect(unrecorded).toEqual([]);
  }, 60_000);
});
