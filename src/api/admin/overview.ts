import { z } from 'zod';
import { alertOf } from '../../alerts/alert.ts';
import { silenceOfAlert } from '../../alerts/silences.ts';
import type { AlertKind } from '../../core/alert.ts';
import type { SubjectLimits } from '../../core/limit.ts';
import { amountOfNano } from '../../core/limit-schema.ts';
import { listAlerts } from '../../storage/sql/alert-store.ts';
import type { Actor } from '../../tenancy/actor.ts';
import { isAllowed } from '../../tenancy/actor.ts';
import { time } from './paging.ts';
import { adminRoute, NO_INPUT, type RegisteredRoute } from './route.ts';
import type { AdminServices } from './services.ts';

/** Share of a quota or budget from which it is shown. */
const NEAR = 0.8;
/** Times per token of a target, compared with those when it is idle. */
const SLOW = 3;
/** Milliseconds per token from which people notice it. */
const NOTICED_MS = 50;
/** Successes before its times say something. */
const MIN_SUCCESSES = 20;
/** Limits that one call compares. */
const MAX_SUBJECTS = 500;
/** Of a US dollar. */
const NANO = 1e9;
/** The most that is shown of one kind. */
const MAX_SHOWN = 50;

/** Webhooks that one call reads. */
const MAX_WEBHOOKS = 200;
/** Retries repair shorter failures. */
const WEBHOOK_FAILING_MS = 60_000;

const KINDS = [
  'target_unavailable',
  'target_slow',
  'engine',
  'storage',
  'losses',
  'limit',
  'webhook',
  'alert',
] as const;
/** Firing alerts that are read. */
const MAX_ALERTS = 500;

const problem = z.object({
  kind: z
    .enum(KINDS)
    .describe(
      '`target_unavailable`: no requests go to it. `target_slow`: it takes three times as long as when idle. `engine`: it failed to start. `storage`: the disk rejects writes. `losses`: telemetry was lost since the start. `limit`: a quota or budget is used to 80 % or more. `webhook`: it was disabled, or has failed for a minute. `alert`: an alert fires that is not silenced.',
    ),
  severity: z.enum(['failing', 'warning']).describe('`failing` now, or `warning`: degraded, or will fail.'),
  subject: z.string().describe('What it is about, such as `openai/gpt-4o` or the name of a key.'),
  message: z.string(),
  tenant: z.string().nullable().describe('Whose limit or webhook it is; null for everything else.'),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});
type Problem = z.output<typeof problem>;

export const overviewObject = z
  .object({
    object: z.literal('overview'),
    at: z.string(),
    problems: z.array(problem).describe('Failing ones first.'),
    incomplete: z.boolean().describe('Not every limit was compared, or more problems exist than are shown.'),
  })
  .meta({ id: 'Overview' });

/** What is wrong now, for the first page of a console. */
export function overviewRoutes(services: AdminServices): RegisteredRoute[] {
  return [
    adminRoute({
      method: 'GET',
      path: '/admin/v1/overview',
      permission: null,
      summary: 'List what is wrong now',
      description:
        'Targets that get no requests or are slow, engines, storage and losses for platform administrators; quotas and budgets that are nearly used, of the tenants whose billing the caller sees; webhooks that fail, of those whose events the caller sees; alerts of the tenants that the caller sees, and for platform administrators those of the platform.',
      ...NO_INPUT,
      response: overviewObject,
      handle: async ({ actor }) => {
        const limits = await limitProblems(services, actor);
        const known = [
          ...(actor.platform ? platformProblems(services) : []),
          ...limits.problems,
          ...(await webhookProblems(services, actor)),
        ];
        const all = [...known, ...(await alertProblems(services, actor, known))];
        const problems = KINDS.flatMap((kind) => all.filter((one) => one.kind === kind).slice(0, MAX_SHOWN));
        const failing = (one: Problem) => Number(one.severity === 'failing');
        return {
          body: {
            object: 'overview',
            at: time(services.clock.wallTime()),
            problems: problems.sort((a, b) => failing(b) - failing(a)),
            incomplete: limits.isCut || problems.length < all.length,
          },
        };
      },
    }),
  ];
}

function platformProblems({ clock, snapshot, operation }: AdminServices): Problem[] {
  const { states, engines, writes, losses } = operation;
  const now = clock.now();
  const found: Problem[] = [];
  const add = (one: Omit<Problem, 'tenant'>) => found.push({ ...one, tenant: null });
  for (const target of snapshot().directory.targets()) {
    const state = states.of(target);
    const subject = `${target.provider.id}/${target.model}`;
    const reason = state.unavailable(now);
    const { lastFailure } = state;
    const current = state.timePerToken.at(now) ?? 0;
    const idle = state.idleTimePerToken.value ?? Number.POSITIVE_INFINITY;
    const isMeasured = state.successes >= MIN_SUCCESSES && current >= NOTICED_MS;
    if (reason !== undefined) {
      const last = lastFailure && `; the last failure was ${lastFailure.code}`;
      add({
        ...{ kind: 'target_unavailable', severity: state.override ? 'warning' : 'failing', subject },
        message: `${subject} gets no requests: ${reason.replaceAll('_', ' ')}${last ?? ''}.`,
        details: {
          ...{ reason, breaker: state.breakerState(now), failures: state.failures },
          last_failure: lastFailure?.message ?? null,
          seconds_since_failure: lastFailure ? Math.round((now - lastFailure.at) / 1_000) : null,
        },
      });
    } else if (isMeasured && current >= SLOW * idle) {
      const times = Math.round((current / idle) * 10) / 10;
      add({
        ...{ kind: 'target_slow', severity: 'warning', subject },
        message: `${subject} takes ${times} times as long for a token as when it is idle.`,
        details: {
          ms_per_token: Math.round(current * 100) / 100,
          idle_ms_per_token: Math.round(idle * 100) / 100,
        },
      });
    }
  }
  for (const { id, state, lastFailure, failures } of engines.list()) {
    if (lastFailure === undefined || state === 'ready' || state === 'starting') continue;
    add({
      ...{ kind: 'engine', severity: 'failing', subject: id },
      message: `The engine ${id} did not start: ${lastFailure}`,
      details: { failures },
    });
  }
  if (writes.isFailing) {
    add({
      ...{ kind: 'storage', severity: 'failing', subject: 'disk', details: {} },
      message: 'The local disk rejects writes: it may be full. Usage waits in memory.',
    });
  }
  for (const [kind, count] of Object.entries(losses())) {
    if (count === 0) continue;
    add({
      ...{ kind: 'losses', severity: 'warning', subject: kind, details: { count } },
      message: `${count} of ${kind.replaceAll('_', ' ')} were lost since this gateway started.`,
    });
  }
  return found;
}

async function webhookProblems(
  { webhooks, clock }: AdminServices,
  actor: Actor,
): Promise<readonly Problem[]> {
  const found = await webhooks.faulty(MAX_WEBHOOKS);
  return found.flatMap(({ id, tenant, url, status, disabledReason, failingSince }): Problem[] => {
    const sees = tenant === null ? actor.platform : isAllowed(actor, 'events:read', tenant);
    const isDisabled = status === 'disabled';
    const failedMs = failingSince === null ? 0 : clock.wallTime() - failingSince;
    if (!sees || (!isDisabled && failedMs < WEBHOOK_FAILING_MS)) return [];
    const since = failingSince === null ? null : time(failingSince);
    const name = `The webhook ${url} of ${tenant ?? 'the installation'}`;
    return [
      {
        ...{ kind: 'webhook', severity: isDisabled ? 'failing' : 'warning', subject: url, tenant },
        message: isDisabled
          ? `${name} is disabled: ${disabledReason}.`
          : `${name} has accepted nothing since ${since}.`,
        details: { webhook: id, failing_since: since },
      },
    ];
  });
}

/** Kinds of alerts by the kind of problem that says the same, and is current to the second. */
const SHOWN_AS: Readonly<Partial<Record<AlertKind, Problem['kind']>>> = {
  limit_used: 'limit',
  target_unavailable: 'target_unavailable',
  engine_failed: 'engine',
  storage_failing: 'storage',
};

async function alertProblems(
  services: AdminServices,
  actor: Actor,
  known: readonly Problem[],
): Promise<Problem[]> {
  const { control, silences } = await services.alerts();
  const rows = await listAlerts(control, { tenant: undefined, states: ['firing'], limit: MAX_ALERTS });
  const visible = rows
    .map(alertOf)
    .filter(({ tenant }) => (tenant === null ? actor.platform : isAllowed(actor, 'alerts:read', tenant)));
  if (visible.length === 0) return [];
  const active = await silences.active(services.clock.wallTime());
  return visible.flatMap((alert): Problem[] => {
    const { id, rule, kind, subject, severity, summary, tenant, since } = alert;
    const same = SHOWN_AS[kind];
    const isShown = known.some(
      (one) => one.kind === same && (kind === 'limit_used' ? one.tenant === tenant : one.subject === subject),
    );
    if (isShown || silenceOfAlert(alert, active, actor.platform ? null : tenant)) return [];
    return [
      {
        ...{ kind: 'alert', severity: severity === 'critical' ? 'failing' : 'warning', subject: rule },
        ...{ message: summary, tenant },
        details: { alert: id, subject, severity, since: time(since) },
      },
    ];
  });
}

async function limitProblems(
  { access, limiter }: AdminServices,
  actor: Actor,
): Promise<{ readonly problems: Problem[]; readonly isCut: boolean }> {
  const ids = [...access.tenants()].filter(({ status }) => status !== 'deleted').map(({ id }) => id);
  const subjects: { readonly tenant: string; readonly subject: SubjectLimits }[] = [];
  let isCut = false;
  for (const tenant of ids.filter((id) => isAllowed(actor, 'billing:read', id))) {
    for (const subject of access.limitsIn(tenant)) {
      isCut ||= subjects.length >= MAX_SUBJECTS;
      if (subjects.length < MAX_SUBJECTS) subjects.push({ tenant, subject });
    }
  }
  const tenantOf = new Map(subjects.map(({ tenant, subject }) => [subject, tenant]));
  const states = await limiter.counterStates(subjects.map(({ subject }) => subject));
  const problems = states.flatMap(({ counter, counterState, resetsAt }): Problem[] => {
    const { limit, subject } = counter;
    const share = limit.max === 0 ? 0 : counterState / limit.max;
    if (counter.kind !== 'period' || share < NEAR) return [];
    const isUsed = share >= 1;
    const amount = (value: number) => (limit.of === 'cost' ? amountOfNano(value) : value);
    const percent = Math.round(share * 1_000) / 10;
    const text = (value: number) =>
      limit.of === 'cost' ? `$${(value / NANO).toFixed(2)}` : `${value.toLocaleString('en')} ${limit.of}`;
    return [
      {
        kind: 'limit',
        severity: isUsed && limit.mode === 'enforce' ? 'failing' : 'warning',
        subject: subject.name,
        message: `The ${subject.scope} ${subject.name} has used ${text(counterState)} of ${text(limit.max)} per ${limit.per}: ${percent} %.`,
        tenant: tenantOf.get(subject) ?? null,
        details: {
          ...{ scope: subject.scope, of: limit.of, per: limit.per ?? null, mode: limit.mode },
          ...{ used: amount(counterState), max: amount(limit.max), percent },
          resets_at: resetsAt === null ? null : time(resetsAt),
        },
      },
    ];
  });
  return { problems, isCut };
}
