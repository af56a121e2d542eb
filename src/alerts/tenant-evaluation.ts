import type { SubjectLimits } from '../core/limit.ts';
import { TimeZones } from '../core/time-zone.ts';
import type { Outbox } from '../events/outbox.ts';
import { Calendar } from '../limits/calendar.ts';
import type { SqlAlertUsage } from '../storage/sql/alert-usage.ts';
import type { SqlMetricStore } from '../storage/sql/metric-store.ts';
import type { Condition, Evaluation } from './condition.ts';
import { type LimitUse, limitsUsed } from './limit-use.ts';
import {
  errorRates,
  latencies,
  type ModelWindow,
  modelWindows,
  rejections,
  windowStart,
} from './model-window.ts';
import { budgetsOf, filterOf, PaceDays, paceCondition } from './pace-rule.ts';
import type { AlertRule } from './rule.ts';
import { sameHours } from './unusual-use.ts';
import { compareHours, type UseFinding, useConditions } from './use-rule.ts';

/** A tenant, as alerts see it. */
export interface AlertTenant {
  readonly id: string;
  readonly timeZone: string;
}

export interface TenantEvaluationOptions {
  readonly usage: Pick<SqlAlertUsage, 'minutes' | 'failures' | 'firstHour' | 'hours'>;
  readonly metrics: Pick<SqlMetricStore, 'sums'>;
  readonly outbox: Pick<Outbox, 'publishOnce'>;
  /** Limits of a tenant, its keys, members and tags. */
  readonly limitsIn: (tenant: string) => readonly SubjectLimits[];
  /** @returns what is used of limits now */
  readonly limitUses: (subjects: readonly SubjectLimits[]) => Promise<readonly LimitUse[]>;
  readonly keyName: (tenant: string, key: string) => string;
}

const HOUR_MS = 3_600_000;
/** After an hour has ended, its usage may still arrive. */
const SETTLE_MS = 120_000;
/** A pace changes slowly, and needs a month of sums. */
const PACE_MS = 15 * 60_000;
/** Longer than consumers are behind. */
const KEEP_EVENT_MS = 7 * 24 * HOUR_MS;

/** When a tenant's slow rules were evaluated last, by this process. */
interface Progress {
  hour: number;
  paceAt: number;
}

/** What a visit found. */
export interface TenantFindings {
  readonly evaluations: readonly Evaluation[];
  /** Of the longest window, for the platform's own rules. */
  readonly windows: ReadonlyMap<string, ModelWindow>;
}

/** Evaluates the rules of one tenant after another. A visit takes at most six statements, and two for most visits. */
export class TenantEvaluation {
  readonly #calendar = new Calendar();
  readonly #zones = new TimeZones();
  readonly #progress = new Map<string, Progress>();

  constructor(private readonly options: TenantEvaluationOptions) {}

  /** Forgets tenants that no longer exist. */
  retain(tenants: ReadonlySet<string>): void {
    for (const id of this.#progress.keys()) if (!tenants.has(id)) this.#progress.delete(id);
  }

  /**
   * @param rules enabled ones
   * @param isFailing whether there are failed requests to count
   * @throws the database's error: the tenant's alerts stay as they are then
   */
  async visit(
    tenant: AlertTenant,
    rules: readonly AlertRule[],
    platformWindowMs: number,
    isFailing: boolean,
    now: number,
  ): Promise<TenantFindings> {
    const { id } = tenant;
    const { usage } = this.options;
    const of = (kind: AlertRule['kind']) => rules.filter((rule) => rule.kind === kind);
    const measured = [...of('error_rate'), ...of('latency'), ...of('rejections')];
    const longest = Math.max(platformWindowMs, ...measured.map(({ windowMs }) => windowMs));
    const from = windowStart(now, longest);
    const minutes = await usage.minutes({ tenant: id }, from, now + 1);
    const failures = isFailing ? await usage.failures(id, from, now + 1) : [];
    const evaluations: Evaluation[] = measured.map((rule) => {
      const start = windowStart(now, rule.windowMs);
      const windows = modelWindows(minutes, failures, start);
      if (rule.kind === 'error_rate') return { rule, conditions: errorRates(rule, windows) };
      if (rule.kind === 'latency') return { rule, conditions: latencies(rule, windows) };
      return { rule, conditions: rejections(rule, windows, now - start) };
    });
    const progress = this.#progress.get(id) ?? { hour: 0, paceAt: 0 };
    this.#progress.set(id, progress);
    evaluations.push(...(await this.#limits(id, of('limit_used'))));
    evaluations.push(...(await this.#pace(tenant, of('spend_pace'), progress, now)));
    evaluations.push(...(await this.#use(tenant, of('unusual_use'), progress, now)));
    return { evaluations, windows: modelWindows(minutes, failures, windowStart(now, platformWindowMs)) };
  }

  async #limits(tenant: string, rules: readonly AlertRule[]): Promise<Evaluation[]> {
    if (rules.length === 0) return [];
    const subjects = this.options.limitsIn(tenant);
    const uses = subjects.length === 0 ? [] : await this.options.limitUses(subjects);
    return rules.map((rule) => ({ rule, conditions: limitsUsed(rule, uses) }));
  }

  async #pace(
    { id, timeZone }: AlertTenant,
    rules: readonly AlertRule[],
    progress: Progress,
    now: number,
  ): Promise<Evaluation[]> {
    if (rules.length === 0 || now - progress.paceAt < PACE_MS) return [];
    const found = new Map<AlertRule, Condition[]>(rules.map((rule) => [rule, []]));
    const budgets = budgetsOf(this.options.limitsIn(id));
    if (budgets.length > 0) {
      const days = new PaceDays(this.#calendar, now, timeZone);
      for (const budget of budgets) {
        const query = { ...days.query, filter: filterOf(budget.subject) };
        const points = await this.options.metrics.sums({ tenant: id }, query, [], undefined);
        for (const [rule, conditions] of found) {
          const condition = paceCondition(rule, budget, points, days, this.#calendar);
          if (condition) conditions.push(condition);
        }
      }
    }
    progress.paceAt = now;
    return Array.from(found, ([rule, conditions]) => ({ rule, conditions }));
  }

  async #use(
    tenant: AlertTenant,
    rules: readonly AlertRule[],
    progress: Progress,
    now: number,
  ): Promise<Evaluation[]> {
    const hour = Math.floor((now - SETTLE_MS) / HOUR_MS) * HOUR_MS - HOUR_MS;
    if (rules.length === 0 || progress.hour >= hour) return [];
    const { usage, keyName } = this.options;
    const scope = { tenant: tenant.id };
    const firstHour = await usage.firstHour(scope);
    const previous = sameHours(hour, (at) => this.#offset(at, tenant.timeZone));
    const uses = firstHour === undefined ? [] : await usage.hours(scope, [hour, ...previous]);
    const evaluations: Evaluation[] = [];
    for (const rule of rules) {
      const findings = compareHours(rule, { hour, previous, uses, firstHour });
      for (const finding of findings) await this.#report(tenant.id, rule, finding, hour);
      const name = (key: string) => keyName(tenant.id, key);
      evaluations.push({ rule, conditions: useConditions(rule, findings, hour, name) });
    }
    progress.hour = hour;
    return evaluations;
  }

  /** Once for each hour, by all gateways together. */
  async #report(
    tenant: string,
    rule: AlertRule,
    { key, value, expected, verdict }: UseFinding,
    hour: number,
  ): Promise<void> {
    if (verdict !== 'high' && verdict !== 'low') return;
    const metric = rule.metric === 'requests' || rule.metric === 'cost' ? rule.metric : 'tokens';
    await this.options.outbox.publishOnce(
      { type: 'request.unusual', tenant, data: { metric, key, value, expected, hour } },
      { key: `unusual:${tenant}:${key ?? ''}:${metric}:${hour}`, keepUntil: hour + KEEP_EVENT_MS },
    );
  }

  #offset(time: number, timeZone: string): number {
    const seconds = Math.floor(time / 1_000) * 1_000;
    return this.#zones.localTime(seconds, timeZone) - seconds;
  }
}
