import { z } from 'zod';
import {
  ALERT_STATES,
  type Alert,
  type AlertLinks,
  alertOf,
  consoleLink,
  runbookOf,
} from '../../alerts/alert.ts';
import { type Silence, silenceMatcher, silenceOfAlert } from '../../alerts/silences.ts';
import { ALERT_KINDS, ALERT_SEVERITIES } from '../../core/alert.ts';
import { GatewayError } from '../../core/errors.ts';
import { alertsById, listAlerts } from '../../storage/sql/alert-store.ts';
import { ownerIn, type RoutePlace } from './alert-place.ts';
import { alertReceiverRoutes } from './alert-receivers.ts';
import { alertRuleRoutes } from './alert-rules.ts';
import { cursorOf, listOf, page, paging, time, timeCursor, timeInput, timeOrNull } from './paging.ts';
import { adminRoute, NO_BODY, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const DEFAULT_SILENCE_MS = 3_600_000;

const alertObject = z
  .object({
    id: z.string(),
    tenant: z.string().nullable().describe('null for an alert of the platform.'),
    rule: z.string(),
    kind: z.enum(ALERT_KINDS),
    subject: z.string().describe('What it is about, within its rule.'),
    labels: z.record(z.string(), z.string()),
    severity: z.enum(ALERT_SEVERITIES),
    state: z.enum(ALERT_STATES).describe('`pending`: its condition holds, but not for long enough.'),
    summary: z.string(),
    value: z.number().describe('What was measured last.'),
    threshold: z.number().nullable(),
    unit: z.string(),
    since: z.string(),
    fired_at: z.string().nullable(),
    resolved_at: z.string().nullable(),
    recurrences: z.int().describe('Earlier alerts about the same, each within an hour after the one before.'),
    silenced_by: z.string().nullable().describe('Id of the silence that suppresses messages to this owner.'),
    runbook: z.string(),
    console: z.string().nullable().describe('null without `auth.public_url`.'),
  })
  .meta({ id: 'Alert' });

const silenceObject = z
  .object({
    id: z.string(),
    tenant: z.string().nullable(),
    matchers: z.array(silenceMatcher),
    starts_at: z.string(),
    ends_at: z.string(),
    is_active: z.boolean(),
    comment: z.string(),
    created_by: z.string(),
    created_by_name: z.string(),
    created_at: z.string(),
  })
  .meta({ id: 'AlertSilence' });

const newSilence = z
  .strictObject({
    matchers: z.array(silenceMatcher).min(1).max(10).describe('Alerts that match all of them are silenced.'),
    starts_at: timeInput.optional().describe('Default: now.'),
    ends_at: timeInput.optional().describe('Default: an hour after its start.'),
    comment: z.string().min(1).max(500).describe('Why.'),
  })
  .meta({
    id: 'NewAlertSilence',
    example: { matchers: [{ label: 'rule', value: 'latency' }], comment: 'Maintenance of the provider' },
  });

const listQuery = z.object({
  ...paging,
  state: z
    .enum([...ALERT_STATES, 'open', 'all'])
    .default('open')
    .describe('`open`: pending and firing ones. Default: `open`.'),
  rule: z.string().max(64).optional(),
  since: timeInput.optional().describe('Only alerts that began since then.'),
});
const alertList = listOf(alertObject, 'AlertList');
const silenceList = listOf(silenceObject, 'AlertSilenceList');

const STATES = { open: ['pending', 'firing'], all: ALERT_STATES } as const;

/** Routes of alerts, rules, silences and receivers, of a tenant and of the installation. */
export function alertRoutes(services: AdminServices): RegisteredRoute[] {
  const tenants = { base: '/admin/v1/tenants/:tenant', whose: 'a tenant' } as const;
  const platform = { base: '/admin/v1', whose: 'the installation' } as const;
  const own = { ...tenants, read: 'alerts:read', write: 'alerts:write' } as const;
  const all = { ...platform, read: 'platform:read', write: 'platform:write' } as const;
  return [own, all].flatMap((at) => [
    ...alertsAt(services, at),
    ...silencesAt(services, at),
    ...alertRuleRoutes(services, at),
    ...alertReceiverRoutes(services, at),
  ]);
}

function alertsAt(services: AdminServices, { base, whose, read }: RoutePlace): RegisteredRoute[] {
  const { clock } = services;
  return [
    adminRoute({
      method: 'GET',
      path: `${base}/alerts`,
      permission: read,
      summary: `List alerts of ${whose}, the latest first`,
      description:
        base === '/admin/v1'
          ? 'Of the platform and of all tenants. `state=resolved` is the history.'
          : '`state=resolved` is the history.',
      ...NO_BODY,
      query: listQuery,
      response: alertList,
      handle: async ({ scope, query: { limit, after, state, ...filter } }) => {
        const alerts = await services.alerts();
        const owner = ownerIn(scope);
        const states = state === 'open' || state === 'all' ? STATES[state] : [state];
        const rows = await listAlerts(alerts.control, {
          ...{ ...filter, states, tenant: owner ?? undefined, limit: limit + 1 },
          after: cursorOf(timeCursor, after),
        });
        const silences = await alerts.silences.active(clock.wallTime());
        const show = (alert: Alert) => renderAlert(alert, alerts.settings(), silences, owner);
        return { body: page(rows.map(alertOf), limit, ({ since, id }) => ({ at: since, id }), show) };
      },
    }),
    adminRoute({
      method: 'GET',
      path: `${base}/alerts/:alert`,
      permission: read,
      summary: `Get an alert of ${whose}`,
      ...NO_INPUT,
      response: alertObject,
      handle: async ({ scope, params: { alert: id = '' } }) => {
        const { control, silences, settings } = await services.alerts();
        const owner = ownerIn(scope);
        const row = (await alertsById(control, [id])).get(id);
        if (!row || (owner !== null && row.tenant !== owner)) {
          throw new GatewayError('not_found', 'There is no such alert.');
        }
        const active = await silences.active(clock.wallTime());
        return { body: renderAlert(alertOf(row), settings(), active, owner) };
      },
    }),
  ];
}

function silencesAt(services: AdminServices, { base, whose, read, write }: RoutePlace): RegisteredRoute[] {
  const { clock } = services;
  const render = (silence: Silence) => renderSilence(silence, clock.wallTime());
  return [
    adminRoute({
      method: 'GET',
      path: `${base}/alert-silences`,
      permission: read,
      summary: `List silences of ${whose}, those that end last first`,
      ...NO_BODY,
      query: z.object(paging),
      response: silenceList,
      handle: async ({ scope, query: { limit, after } }) => {
        const { silences } = await services.alerts();
        const found = await silences.list(ownerIn(scope), limit + 1, cursorOf(timeCursor, after));
        return { body: page(found, limit, ({ endsAt, id }) => ({ at: endsAt, id }), render) };
      },
    }),
    adminRoute({
      method: 'POST',
      path: `${base}/alert-silences`,
      permission: write,
      summary: `Silence alerts of ${whose}`,
      description:
        base === '/admin/v1'
          ? 'Suppresses messages to the receivers of the installation and of all tenants.'
          : 'Suppresses messages to the receivers of the tenant, not to those of the installation.',
      body: newSilence,
      ...NO_QUERY,
      response: silenceObject,
      status: 201,
      handle: async ({ scope, body, by }) => {
        const { silences } = await services.alerts();
        const startsAt = body.starts_at ?? clock.wallTime();
        const endsAt = body.ends_at ?? startsAt + DEFAULT_SILENCE_MS;
        const { matchers, comment } = body;
        return {
          body: render(await silences.create(ownerIn(scope), { matchers, comment, startsAt, endsAt }, by)),
        };
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${base}/alert-silences/:silence`,
      permission: write,
      summary: `End a silence of ${whose} now`,
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params: { silence = '' }, by }) => {
        await (await services.alerts()).silences.end(ownerIn(scope), silence, by);
        return {};
      },
    }),
  ];
}

function renderAlert(
  alert: Alert,
  links: AlertLinks,
  silences: readonly Silence[],
  owner: string | null,
): z.output<typeof alertObject> {
  return {
    ...{ id: alert.id, tenant: alert.tenant, rule: alert.rule, kind: alert.kind, subject: alert.subject },
    ...{ labels: alert.labels, severity: alert.severity, state: alert.state, summary: alert.summary },
    ...{ value: alert.value, threshold: alert.threshold, unit: alert.unit, since: time(alert.since) },
    ...{ fired_at: timeOrNull(alert.firedAt), resolved_at: timeOrNull(alert.resolvedAt) },
    recurrences: alert.flaps,
    silenced_by: alert.state === 'resolved' ? null : (silenceOfAlert(alert, silences, owner)?.id ?? null),
    ...{ runbook: runbookOf(alert.kind, links), console: consoleLink(alert, links) },
  };
}

/** @returns a silence as the API shows it */
function renderSilence(silence: Silence, now: number): z.output<typeof silenceObject> {
  const { id, tenant, matchers, startsAt, endsAt, comment } = silence;
  return {
    ...{ id, tenant, matchers: [...matchers], comment, is_active: startsAt <= now && endsAt > now },
    ...{ starts_at: time(startsAt), ends_at: time(endsAt), created_at: time(silence.createdAt) },
    ...{ created_by: silence.createdBy, created_by_name: silence.createdByName },
  };
}
