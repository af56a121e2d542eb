import { z } from 'zod';
import { dryRun } from '../../alerts/dry-run.ts';
import { KIND_DEFAULTS, ruleOf, type SourcedRule } from '../../alerts/rule.ts';
import { type AlertRuleSettings, alertRule } from '../../config/alert-schema.ts';
import { ALERT_KINDS, ALERT_METRICS, ALERT_SEVERITIES } from '../../core/alert.ts';
import { GatewayError } from '../../core/errors.ts';
import { validate } from '../validation.ts';
import { ownerIn, type RoutePlace } from './alert-place.ts';
import { time, timeOrNull } from './paging.ts';
import { adminRoute, NO_INPUT, NO_QUERY, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

const ruleObject = z
  .object({
    id: z.string(),
    source: z
      .enum(['built_in', 'config', 'platform', 'tenant'])
      .describe('Who set it: Weir, the configuration, a platform administrator, or the tenant.'),
    kind: z.enum(ALERT_KINDS),
    enabled: z.boolean(),
    severity: z.enum(ALERT_SEVERITIES),
    above: z.number().describe('In `unit`.'),
    unit: z.string(),
    metric: z.enum(ALERT_METRICS),
    model: z.string().nullable(),
    window: z.string(),
    for: z.string(),
    keep_firing: z.string(),
    min_requests: z.int(),
  })
  .meta({ id: 'AlertRule' });

const span = z.string().max(20).optional();
const ruleFields = {
  kind: z.enum(ALERT_KINDS).optional().describe('Default: the kind of the built-in rule with this id.'),
  enabled: z.boolean().optional(),
  severity: z.enum(ALERT_SEVERITIES).optional(),
  above: z.number().min(0).max(1e15).optional().describe('Fires above this value, in the unit of its kind.'),
  metric: z.enum(ALERT_METRICS).optional(),
  model: z.string().min(1).max(400).optional().describe('Only this model.'),
  window: span.describe('Whole minutes, at most 60m.'),
  for: span.describe('How long its condition has to hold, such as `5m`.'),
  keep_firing: span.describe('How long its condition has to be over.'),
  min_requests: z.int().min(1).max(1_000_000).optional(),
};
const ruleBody = z
  .strictObject(ruleFields)
  .meta({ id: 'AlertRuleSettings', example: { above: 10, severity: 'warning', for: '5m' } });
const dryRunBody = z
  .strictObject({ id: z.string().max(64), ...ruleFields })
  .meta({ id: 'AlertDryRun', example: { id: 'error_rate', above: 10 } });

const dryRunObject = z
  .object({
    object: z.literal('alert_dry_run'),
    from: z.string(),
    to: z.string(),
    step_seconds: z.int().describe('Time between two evaluations; Weir itself evaluates every 10 seconds.'),
    insufficient_history: z
      .int()
      .describe('Hours with too few weeks to compare with; 0 for rules that compare nothing.'),
    alerts: z.array(
      z.object({
        subject: z.string(),
        fired_at: z.string(),
        resolved_at: z.string().nullable().describe('null where it would still fire.'),
        peak: z.number(),
        summary: z.string(),
      }),
    ),
  })
  .meta({ id: 'AlertDryRunResult' });
const ruleList = z
  .object({ object: z.literal('list'), data: z.array(ruleObject) })
  .meta({ id: 'AlertRuleList' });

/** Routes of rules; for a tenant, with a dry run over the last week. */
export function alertRuleRoutes(
  services: AdminServices,
  { base, whose, read, write }: RoutePlace,
): RegisteredRoute[] {
  const { access, clock } = services;
  const list = async (tenant: string | null) =>
    (await (await services.alerts()).rules.list(tenant)).map(render);
  const routes = [
    adminRoute({
      method: 'GET',
      path: `${base}/alert-rules`,
      permission: read,
      summary: `List the rules of ${whose}, also disabled ones`,
      ...NO_INPUT,
      response: ruleList,
      handle: async ({ scope }) => ({ body: { object: 'list', data: await list(ownerIn(scope)) } }),
    }),
    adminRoute({
      method: 'PUT',
      path: `${base}/alert-rules/:rule`,
      permission: write,
      summary: `Set a rule of ${whose}`,
      description:
        'Replaces the rule with this id as a whole: members that are left out have the defaults of its kind.',
      body: ruleBody,
      ...NO_QUERY,
      response: ruleObject,
      handle: async ({ scope, params: { rule: id = '' }, body, by }) => {
        const owner = ownerIn(scope);
        const document = { id, ...body };
        const { rules } = await services.alerts();
        await rules.put(owner, checked(document), document, by);
        const found = (await rules.list(owner)).find(({ rule }) => rule.id === id);
        if (found) return { body: render(found) };
        throw new GatewayError('not_found', 'There is no such rule.');
      },
    }),
    adminRoute({
      method: 'DELETE',
      path: `${base}/alert-rules/:rule`,
      permission: write,
      summary: `Remove a rule that was set for ${whose}`,
      description: 'The rule that it replaced holds again.',
      ...NO_INPUT,
      status: 204,
      handle: async ({ scope, params: { rule = '' }, by }) => {
        await (await services.alerts()).rules.remove(ownerIn(scope), rule, by);
        return {};
      },
    }),
  ];
  if (base === '/admin/v1') return routes;
  return [
    ...routes,
    adminRoute({
      method: 'POST',
      path: `${base}/alert-rules/dry-run`,
      permission: read,
      summary: 'List the alerts that a rule would have made in the last week',
      description:
        'Stores and sends nothing. Kinds that concern gateways, such as `queue_depth`, have no past.',
      body: dryRunBody,
      ...NO_QUERY,
      response: dryRunObject,
      handle: async ({ scope, body }) => {
        const rule = ruleOf(checked(body));
        const timeZone = access.tenant(scope.tenant)?.document.time_zone ?? 'UTC';
        const alerts = await services.alerts();
        const run = rule && (await dryRun(alerts, { id: scope.tenant, timeZone }, rule, clock.wallTime()));
        if (!run) {
          const reason = 'Rules of this kind have no past: it is not stored for a tenant.';
          throw new GatewayError('invalid_request', reason, { param: 'kind' });
        }
        return {
          body: {
            ...{ object: 'alert_dry_run', from: time(run.from), to: time(run.to) },
            ...{ step_seconds: run.stepMs / 1_000, insufficient_history: run.insufficientHistory },
            alerts: run.alerts.map(({ subject, firedAt, resolvedAt, peak, summary }) => ({
              ...{ subject, fired_at: time(firedAt), resolved_at: timeOrNull(resolvedAt) },
              ...{ peak: Math.round(peak * 1_000) / 1_000, summary },
            })),
          },
        };
      },
    }),
  ];
}

function checked(document: unknown): AlertRuleSettings {
  return validate(alertRule(), document);
}

function render({ rule, source }: SourcedRule): z.output<typeof ruleObject> {
  const { id, kind, enabled, severity, above, metric, model } = rule;
  return {
    ...{ id, source, kind, enabled, severity, above, unit: KIND_DEFAULTS[kind].unit, metric, model },
    ...{
      window: spanText(rule.windowMs),
      for: spanText(rule.forMs),
      keep_firing: spanText(rule.keepFiringMs),
    },
    min_requests: rule.minRequests,
  };
}

/** @returns milliseconds as rules have them: `5m` */
function spanText(ms: number): string {
  for (const [unit, length] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms >= length && ms % length === 0) return `${ms / length}${unit}`;
  }
  return `${ms}ms`;
}
