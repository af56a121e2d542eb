import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { listAlertsCommand, silenceCommand, testReceiversCommand } from '../../src/cli/alerts.ts';
import { alertInstallation } from '../support/alert-installation.ts';
import { type HttpReceiver, startHttpReceiver } from '../support/alert-receivers.ts';
import { gatewayInProcess, type InProcessGateway } from '../support/gateway-in-process.ts';
import { Organisation } from './helpers/organisation.ts';

let http: HttpReceiver;
let gateway: InProcessGateway;
let organisation: Organisation;
const ACME = '/admin/v1/tenants/acme';

beforeAll(async () => {
  http = await startHttpReceiver();
  gateway = await gatewayInProcess({
    config: {
      alerts: {
        rules: [{ id: 'latency', above: 20_000 }],
        receivers: [{ id: 'chat', type: 'slack', url: 'https://chat.example.com/T00/secret-part' }],
      },
    },
  });
  organisation = new Organisation(gateway);
  await organisation.done('POST', '/admin/v1/tenants', { id: 'acme' });
}, 30_000);
afterAll(async () => {
  await gateway?.close();
  http?.close();
});

const done = (method: string, path: string, body?: unknown) => organisation.done(method, path, body);
const rulesOf = async (base: string) => {
  const { data } = await done('GET', `${base}/alert-rules`);
  return new Map((data as { id: string; [name: string]: unknown }[]).map((rule) => [rule.id, rule]));
};

/** An alert that fires. */
async function addAlert(tenant: string, rule: string, severity = 'critical'): Promise<string> {
  const id = `alt_${tenant || 'platform'}_${rule}`;
  await gateway.gateway.stores.control
    .insertInto('alerts')
    .values({
      ...{
        id,
        tenant,
        rule,
        kind: rule,
        subject: 'fast',
        open_key: id,
        labels: '{"model":"fast"}',
        severity,
      },
      ...{
        state: 'firing',
        summary: `${rule} of ${tenant}`,
        value: 12,
        threshold: 5,
        unit: '%',
        since: 1_000,
      },
      ...{ fired_at: 2_000, clear_since: null, resolved_at: null, flaps: 0, updated_at: 2_000 },
    })
    .execute();
  return id;
}

describe('alerts in the admin API', () => {
  test('rules come from Weir, the configuration, the platform and the tenant', async () => {
    expect((await rulesOf(ACME)).get('latency')).toMatchObject({
      source: 'config',
      above: 20_000,
      unit: 'ms',
    });
    expect((await rulesOf(ACME)).get('error_rate')).toMatchObject({
      source: 'built_in',
      above: 5,
      window: '5m',
    });
    expect((await rulesOf(ACME)).has('queue_depth')).toBe(false);
    await done('PUT', '/admin/v1/alert-rules/latency', { above: 9_000, for: '90s' });
    expect((await rulesOf(ACME)).get('latency')).toMatchObject({
      source: 'platform',
      above: 9_000,
      for: '90s',
    });
    await done('PUT', `${ACME}/alert-rules/latency`, { enabled: false });
    expect((await rulesOf(ACME)).get('latency')).toMatchObject({
      source: 'tenant',
      enabled: false,
      above: 10_000,
    });
    const own = { kind: 'latency', metric: 'ttft_p95', above: 800, model: 'fast' };
    expect(await done('PUT', `${ACME}/alert-rules/first-token`, own)).toMatchObject({
      ...own,
      severity: 'warning',
    });
    await done('DELETE', `${ACME}/alert-rules/latency`);
    await done('DELETE', '/admin/v1/alert-rules/latency');
    expect((await rulesOf(ACME)).get('latency')).toMatchObject({ source: 'config' });
    const put = (id: string, body: unknown) =>
      gateway.call('PUT', `${ACME}/alert-rules/${id}`, { key: gateway.adminKey, body });
    for (const [id, body] of [
      ['mine', {}],
      ['queue_depth', { above: 5 }],
      ['latency', { window: '90s' }],
      ['latency', { window: '2h' }],
      ['latency', { for: 'long' }],
      ['Not valid', { kind: 'latency' }],
    ] as const) {
      expect([id, body, (await put(encodeURIComponent(id), body)).status]).toEqual([id, body, 400]);
    }
  });

  test('receivers never show their secrets, and have public addresses', async () => {
    const made = await done('POST', `${ACME}/alert-receivers`, {
      ...{ name: 'chat', type: 'slack', url: 'https://hooks.example.com/services/T0/B0/secret-part' },
    });
    expect(made).toMatchObject({ url: 'https://hooks.example.com/…', has_secret: false, source: 'api' });
    const hook = await done('POST', `${ACME}/alert-receivers`, {
      ...{ name: 'hook', type: 'webhook', url: 'https://hooks.example.com/weir' },
    });
    expect(hook.secret).toMatch(/^whsec_/);
    const { text } = await gateway.call('GET', `${ACME}/alert-receivers`, { key: gateway.adminKey });
    expect(text).not.toMatch(/secret-part|whsec_/);
    const platform = await done('GET', '/admin/v1/alert-receivers');
    expect(JSON.stringify(platform)).not.toContain('secret-part');
    expect(platform.data).toMatchObject([{ id: 'config:chat', source: 'config' }]);
    const post = (body: Record<string, unknown>) =>
      gateway.call('POST', `${ACME}/alert-receivers`, {
        key: gateway.adminKey,
        body: { name: 'x', ...body },
      });
    for (const body of [
      { type: 'slack', url: 'http://127.0.0.1/hook' },
      { type: 'slack', url: 'http://169.254.169.254/latest' },
      { type: 'teams', url: 'ftp://teams.example.com' },
      { type: 'teams' },
      { type: 'email', to: [] },
      { type: 'email', to: ['a@b.test, c@d.test'] },
      { type: 'pagerduty', secret: 'short' },
      { type: 'webhook', url: 'https://a.example.com', secret: 'plain' },
    ]) {
      expect([body, (await post(body)).status]).toEqual([body, 400]);
    }
    const changed = await done('PATCH', `${ACME}/alert-receivers/${String(made.id)}`, {
      severity: 'critical',
    });
    expect(changed).toMatchObject({ severity: 'critical', name: 'chat', url: 'https://hooks.example.com/…' });
    const tested = await done('POST', `${ACME}/alert-receivers/${String(hook.id)}/test`);
    expect(tested).toMatchObject({ delivered: false, status: null });
    const again = await gateway.call('POST', `${ACME}/alert-receivers/${String(hook.id)}/test`, {
      key: gateway.adminKey,
    });
    expect(again.status).toBe(429);
  });

  test('alerts are listed with their silences, and are on the overview until they are silenced', async () => {
    const id = await addAlert('acme', 'error_rate');
    await addAlert('default', 'latency', 'warning');
    await addAlert('', 'queue_depth');
    const all = await done('GET', '/admin/v1/alerts');
    expect(all.data).toHaveLength(3);
    const own = await done('GET', `${ACME}/alerts`);
    expect(own.data).toMatchObject([
      {
        id,
        tenant: 'acme',
        state: 'firing',
        value: 12,
        silenced_by: null,
        runbook: 'docs/runbooks/high-error-rate.md',
      },
    ]);
    const other = await gateway.call('GET', `/admin/v1/tenants/default/alerts/${id}`, {
      key: gateway.adminKey,
    });
    expect(other.status).toBe(404);
    const overview = async () => {
      const { problems } = await done('GET', '/admin/v1/overview');
      return (problems as { kind: string; message: string }[])
        .filter(({ kind }) => kind === 'alert')
        .map(({ message }) => message)
        .sort();
    };
    expect(await overview()).toEqual(['error_rate of acme', 'latency of default', 'queue_depth of ']);
    const matchers = [{ label: 'model', value: 'f*' }];
    const silence = await done('POST', '/admin/v1/alert-silences', { matchers, comment: 'Maintenance' });
    expect(silence).toMatchObject({
      is_active: true,
      comment: 'Maintenance',
      created_by_name: expect.any(String),
    });
    expect(await overview()).toEqual([]);
    expect((await done('GET', `${ACME}/alerts/${id}`)).silenced_by).toBe(silence.id);
    await done('DELETE', `/admin/v1/alert-silences/${String(silence.id)}`);
    expect(await overview()).toHaveLength(3);
    expect((await done('GET', '/admin/v1/alert-silences')).data).toMatchObject([{ is_active: false }]);
    const trail = await gateway.call('GET', '/admin/v1/audit?action=silence.create', {
      key: gateway.adminKey,
    });
    expect(trail.text).toContain('Maintenance');
  });

  test('a rule is tried against the last week without being stored', async () => {
    const run = await done('POST', `${ACME}/alert-rules/dry-run`, { id: 'unusual_use' });
    expect(run).toMatchObject({ object: 'alert_dry_run', alerts: [], step_seconds: 3_600 });
    const unknown = await gateway.call('POST', `${ACME}/alert-rules/dry-run`, {
      ...{ key: gateway.adminKey, body: { id: 'queue_depth' } },
    });
    expect(unknown.status).toBe(400);
  });
});

test('commands list and silence alerts, and test receivers', async () => {
  const settings = { alerts: { receivers: [{ id: 'chat', type: 'slack', url: `${http.url}/chat` }] } };
  const one = await alertInstallation(settings, '2026-11-18T10:00:00Z');
  const lines: string[] = [];
  const command = {
    ...{ config: one.commandConfig, env: one.commandEnv },
    output: {
      out: (text: string) => lines.push(text),
      err: (text: string) => lines.push(text),
      colour: false,
    },
  };
  await listAlertsCommand(command, {});
  await silenceCommand(command, {
    match: ['rule=latency', 'model!=fast*'],
    for: '2h',
    comment: 'Maintenance',
  });
  await testReceiversCommand(command, 'chat', {});
  expect(lines[0]).toBe('No alert fires.');
  expect(lines[1]).toMatch(/^Created the silence sil_\w+, until /);
  expect(lines[2]).toMatch(/chat +slack +delivered/);
  expect(JSON.stringify(http.bodies('/chat'))).toContain('This is a test of a receiver');
  await expect(silenceCommand(command, { match: ['colour=red'], for: '1h', comment: 'x' })).rejects.toThrow(
    '--match',
  );
  await expect(silenceCommand(command, { match: [], for: 'soon', comment: 'x' })).rejects.toThrow('--for');
  await one.dispose();
}, 30_000);
