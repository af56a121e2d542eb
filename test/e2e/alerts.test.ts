import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Webhook } from 'standardwebhooks';
import { dryRun } from '../../src/alerts/dry-run.ts';
import type { Observation } from '../../src/alerts/observations.ts';
import { ruleOf } from '../../src/alerts/rule.ts';
import type { Alerts } from '../../src/alerts/services.ts';
import { alertRule } from '../../src/config/alert-schema.ts';
import { limitSchema } from '../../src/core/limit-schema.ts';
import type { UsageEvent } from '../../src/storage/usage-event.ts';
import { newWebhookSecret } from '../../src/webhooks/signature.ts';
import { type AlertInstallation, alertInstallation } from '../support/alert-installation.ts';
import { type HttpReceiver, startHttpReceiver } from '../support/alert-receivers.ts';
import { BY_TEST, INSTALLATION_DATABASES } from '../support/billing-installation.ts';
import { type SmtpReceiver, startSmtpReceiver } from '../support/smtp-receiver.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SECRET = newWebhookSecret();
const ROUTING_KEY = 'R0123456789ABCDEFGHIJKLMNOPQRSTU';

let http: HttpReceiver;
let smtp: SmtpReceiver;
beforeAll(async () => {
  [http, smtp] = await Promise.all([startHttpReceiver(), startSmtpReceiver()]);
});
afterAll(() => {
  http?.close();
  smtp?.close();
});

const settings = () => ({
  auth: { public_url: 'https://weir.example.com' },
  mail: { host: '127.0.0.1', port: smtp.port, tls: 'off', from: 'weir@example.com' },
  alerts: {
    ...{ group_wait: '0s', group_interval: '1s', runbooks_url: 'https://runbooks.example.com' },
    receivers: [
      { id: 'mail', type: 'email', to: ['ops@example.com', 'cto@example.com'] },
      { id: 'hook', type: 'webhook', url: `${http.url}/hook`, secret: SECRET },
      { id: 'chat', type: 'slack', url: `${http.url}/slack` },
      { id: 'pager', type: 'pagerduty', url: `${http.url}/pagerduty`, secret: ROUTING_KEY },
      { id: 'team', type: 'teams', url: `${http.url}/teams` },
    ],
  },
});

const timed = (durationMs: number) => ({
  durationMs,
  firstEventMs: 50,
  error: null,
  traceId: null,
  count: 1,
});
const requests = (count: number, event: Partial<UsageEvent>): Partial<UsageEvent>[] =>
  Array.from({ length: count }, () => ({ request: timed(200), ...event }));

/** Usage of a month: quiet hours, and from 10:00 on the last day, everything that rules watch. */
async function fill({ installation }: AlertInstallation, start: number): Promise<void> {
  const used: Partial<UsageEvent>[] = [];
  // Four dollars a day since the first of the month.
  for (let day = 1; day <= 17; day += 1) {
    used.push({ at: start - day * DAY, costPico: 4e12, model: 'fast', request: timed(200) });
  }
  // The same hours of previous weeks.
  for (let week = 1; week <= 4; week += 1) {
    for (const hour of [-1, 0, 1]) {
      const at = start - week * 7 * DAY + hour * HOUR + 5 * MINUTE;
      used.push(...requests(30, { at, inputTokens: 100 + week, model: 'fast' }));
    }
  }
  // Ten times as much in the hour before, and as usual after it.
  used.push(...requests(30, { at: start - HOUR + 5 * MINUTE, inputTokens: 1_000, model: 'fast' }));
  used.push(...requests(30, { at: start + 5 * MINUTE, inputTokens: 102, model: 'calm' }));
  used.push(...requests(30, { at: start + HOUR + 5 * MINUTE, inputTokens: 102, model: 'calm' }));
  for (let minute = 0; minute < 10; minute += 1) {
    const at = start + minute * MINUTE;
    used.push(...requests(10, { at, model: 'fast' }));
    used.push(...requests(10, { at, model: 'slow', request: timed(20_000) }));
    const rejected = { ...timed(1), error: 'rate_limit_exceeded', count: 200 };
    used.push({ at, model: 'fast', outcome: 'rejected', requests: 0, status: 429, request: rejected });
    await installation.stores.outbox.publish([
      {
        ...{ type: 'request.failed', tenant: 'acme', at: at + 1 },
        data: { model: 'fast', provider: 'east', status: 502, count: 50, request_ids: [] },
      },
    ]);
  }
  await installation.use('acme', used);
}

const OBSERVED: readonly Observation[] = [
  { kind: 'target_unavailable', subject: 'east/small', value: 1, detail: 'health checks fail' },
  { kind: 'provider_unavailable', subject: 'east', value: 1, detail: '' },
  { kind: 'queue_depth', subject: '', value: 250, detail: '' },
  { kind: 'engine_failed', subject: 'gpu-0', value: 1, detail: 'exited with code 1' },
  { kind: 'storage_failing', subject: '', value: 1, detail: '' },
  { kind: 'backup_overdue', subject: '', value: 1, detail: 'no backup was found' },
  { kind: 'export_failing', subject: 'finance', value: 1, detail: 'HTTP 503 (tenant acme)' },
];
const TENANT_RULES = [
  ...['error_rate', 'latency', 'limit_near', 'limit_reached', 'rejections', 'spend_pace'],
  // Of the tenant, and of its key.
  ...['unusual_use', 'unusual_use'],
];
const PLATFORM_RULES = [
  'backup_overdue',
  ...['engine_failed', 'error_rate', 'export_failing', 'latency', 'provider_unavailable', 'queue_depth'],
  'storage_failing',
  'target_unavailable',
];

for (const database of INSTALLATION_DATABASES) {
  describe.skipIf(!database.available)(`alerts on ${database.name}`, () => {
    test('each rule fires and recovers once, through a crash, and reaches every receiver', async () => {
      const start = Date.parse('2026-11-18T10:00:00Z');
      const one = await alertInstallation(settings(), '2026-11-18T10:00:00Z', database);
      const { installation } = one;
      const { stores } = installation;
      await installation.addTenant('acme', 'Europe/Zurich');
      const budget = async (max: string) => {
        const { version, document } = await stores.tenants.get('acme');
        const limits = [limitSchema.parse({ of: 'cost', per: 'month', max })];
        await stores.tenants.update('acme', { document: { ...document, limits } }, version, BY_TEST);
        await stores.access.refreshNow();
      };
      await budget('100');
      one.used.set('tenant:cost:month', 101e9);
      await fill(one, start);
      one.observed = OBSERVED;
      let gateway = one.gateway('gw_1');
      const until = async (minutes: number, step = 1) => {
        while (one.now < start + minutes * MINUTE) {
          one.now += step * MINUTE;
          await one.round(gateway);
        }
      };
      const of = async (type: string, tenant: string) =>
        (await one.events())
          .filter((event) => event[0] === type && event[1] === tenant)
          .map((event) => event[2]);
      await until(6);
      // Killed: another gateway takes over when the lease has expired, which is by the clock of PostgreSQL.
      await stores.control.updateTable('alert_lease').set({ lease_until: 0 }).execute();
      gateway = one.gateway('gw_2');
      await until(9);
      expect((await of('alert.fired', 'acme')).sort()).toEqual(TENANT_RULES);
      expect((await of('alert.fired', '')).sort()).toEqual(PLATFORM_RULES);
      expect(await of('alert.resolved', '')).toEqual([]);
      one.observed = [];
      await budget('1000');
      await until(140, 10);
      await gateway.close();
      expect((await of('alert.resolved', 'acme')).sort()).toEqual(TENANT_RULES);
      expect((await of('alert.resolved', '')).sort()).toEqual(PLATFORM_RULES);
      expect((await of('alert.fired', 'acme')).sort()).toEqual(TENANT_RULES);
      expect((await of('alert.fired', '')).sort()).toEqual(PLATFORM_RULES);
      expect(one.failures).toEqual([]);
      const unusual = await stores.control
        .selectFrom('event_log')
        .select('data')
        .where('type', '=', 'request.unusual')
        .execute();
      // By three weeks: in the fourth, before clocks went back, the same local hour was an hour earlier.
      expect(unusual.map(({ data }) => JSON.parse(data))).toEqual([
        { metric: 'tokens', key: null, value: 30_000, expected: 3_060, hour: start - HOUR },
        { metric: 'tokens', key: 'key_1', value: 30_000, expected: 3_060, hour: start - HOUR },
      ]);
      if (database.name === 'SQLite') await assertDryRuns(gateway.alerts, one.now);
      assertMails();
      assertWebhooks();
      assertChats();
      assertIncidents();
      await installation.dispose();
    }, 60_000);
  });
}

/** The same alerts are found in the stored sums. */
async function assertDryRuns(alerts: Alerts, now: number): Promise<void> {
  const found: Record<string, number> = {};
  for (const id of new Set(TENANT_RULES)) {
    const rule = ruleOf(alertRule().parse({ id }));
    const run = rule && (await dryRun(alerts, { id: 'acme', timeZone: 'Europe/Zurich' }, rule, now));
    found[id] = run?.alerts.length ?? -1;
  }
  // The budget is ten times as large now.
  const none = { limit_near: 0, limit_reached: 0, spend_pace: 0 };
  expect(found).toEqual({ error_rate: 1, latency: 1, rejections: 1, unusual_use: 1, ...none });
}

/** The rules that a receiver heard of, with the words of each message. */
const ALL_RULES = [...new Set([...TENANT_RULES, ...PLATFORM_RULES])].sort();

function assertMails(): void {
  for (const rule of ALL_RULES) {
    const about = smtp.mails.filter(({ data }) => data.includes(`: ${rule}`));
    expect([rule, about.length >= 2]).toEqual([rule, true]);
    expect(about.at(-1)?.data).toContain('RESOLVED: ');
    expect(about[0]?.to).toEqual(['ops@example.com', 'cto@example.com']);
  }
  const pace = smtp.mails.find(({ data }) => data.includes('spend_pace'));
  const text = pace?.data.replaceAll(/=\r\n/g, '').replaceAll('=3D', '=') ?? '';
  expect(text).toContain('reaches its budget of $100.00 on the 26th (Europe/Zurich)');
  expect(text).toContain('https://weir.example.com/console/alerts?alert=alt_');
  expect(text).toContain('https://runbooks.example.com/budget-burn.md');
}

function assertWebhooks(): void {
  const got = http.requests.filter(({ path }) => path === '/hook');
  for (const { body, headers } of got)
    new Webhook(SECRET).sign(String(headers['webhook-id']), new Date(0), body);
  const rules = (type: string) =>
    http.bodies('/hook').flatMap((body) => {
      const { type: is, data } = body as { type: string; data: { rule: string } };
      return is === type ? [data.rule] : [];
    });
  expect([...new Set(rules('alert.firing'))].sort()).toEqual(ALL_RULES);
  expect([...new Set(rules('alert.resolved'))].sort()).toEqual(ALL_RULES);
}

function assertChats(): void {
  const slack = JSON.stringify(http.bodies('/slack'));
  const teams = JSON.stringify(http.bodies('/teams'));
  for (const rule of ALL_RULES) expect(slack).toContain(`Resolved: ${rule}`);
  for (const rule of ALL_RULES) expect(teams).toContain(`Resolved: ${rule.replaceAll('_', '\\\\_')}`);
  expect(slack).toContain('"type":"header"');
  expect(teams).toContain('application/vnd.microsoft.card.adaptive');
  // The secret in its URL stays between Weir and the receiver.
  for (const { body } of http.requests) expect(body).not.toContain(http.url);
}

function assertIncidents(): void {
  const open = new Map<string, number>();
  for (const body of http.bodies('/pagerduty')) {
    const { routing_key, dedup_key, event_action, payload } = body as Record<string, string>;
    expect(routing_key).toBe(ROUTING_KEY);
    if (event_action === 'trigger') {
      expect(payload).toMatchObject({ severity: expect.stringMatching(/^(info|warning|critical)$/) });
      open.set(dedup_key ?? '', (open.get(dedup_key ?? '') ?? 0) + 1);
    } else {
      expect([event_action, open.delete(dedup_key ?? '')]).toEqual(['resolve', true]);
    }
  }
  expect([...open]).toEqual([]);
}
