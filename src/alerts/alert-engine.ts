import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { type AlertLease, leaseAlerts, openAlerts } from '../storage/sql/alert-store.ts';
import type { SqlAlertUsage } from '../storage/sql/alert-usage.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { AlertSettings } from './alert-settings.ts';
import type { Evaluation } from './condition.ts';
import { EffectiveRules, ParsedRules } from './effective-rules.ts';
import { addWindows, errorRates, latencies, type ModelWindow } from './model-window.ts';
import { currentObservations, evaluateObservations } from './observations.ts';
import type { AlertRule } from './rule.ts';
import type { AlertTenant, TenantEvaluation } from './tenant-evaluation.ts';
import { OpenAlerts, type Transitions } from './transitions.ts';

export interface AlertEngineOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  /** Names this process, and no other. */
  readonly owner: string;
  readonly settings: () => AlertSettings;
  readonly usage: Pick<SqlAlertUsage, 'failingTenants'>;
  /** Those that exist. */
  readonly tenants: () => readonly AlertTenant[];
  readonly evaluation: Pick<TenantEvaluation, 'visit' | 'retain'>;
  readonly transitions: Pick<Transitions, 'apply' | 'end'>;
  /** A tenant that could not be evaluated; its alerts stay as they are. */
  readonly onFailure: (error: unknown) => void;
}

/** Three ticks: the next gateway takes over when this one misses them. Milliseconds. */
const LEASE_MS = 30_000;
/** Tenants of one tick, and the time that it may take. Milliseconds. */
export const TENANTS_AT_ONCE = 100;
const TICK_MS = 1_000;
/** Of them, tenants whose requests fail or that have alerts. */
const URGENT_AT_ONCE = 50;
const MAX_FAILING = 1_000;

interface Visit {
  at: number;
  windows: ReadonlyMap<string, ModelWindow>;
}

/**
 * Evaluates rules, by one gateway at a time. A tick visits some tenants, those with failures and alerts first, so that its
 * work is bounded; with 1,000 tenants, each is visited every 100 seconds.
 */
export class AlertEngine {
  readonly #visits = new Map<string, Visit>();
  readonly #parsed = new ParsedRules();
  #lease: AlertLease | undefined;
  #ticking: Promise<AlertLease | undefined> | undefined;

  constructor(private readonly options: AlertEngineOptions) {}

  /** The lease of the last tick; undefined while another gateway evaluates. */
  get lease(): AlertLease | undefined {
    return this.#lease;
  }

  /**
   * To be called every 10 seconds. Calls while one runs join it.
   * @returns the lease; undefined where another gateway evaluates, or alerts are off
   * @throws the database's error, or AlertLeaseLost
   */
  tick(): Promise<AlertLease | undefined> {
    this.#ticking ??= this.#tick().finally(() => {
      this.#ticking = undefined;
    });
    return this.#ticking;
  }

  /** Lets another gateway take over at once. */
  async close(): Promise<void> {
    await this.#ticking?.catch(() => undefined);
    if (this.#lease)
      await leaseAlerts(this.options.control, this.options.owner, this.options.clock.wallTime(), 0);
    this.#lease = undefined;
  }

  async #tick(): Promise<AlertLease | undefined> {
    const { control, clock, owner, settings } = this.options;
    this.#lease = undefined;
    const { enabled, rules: configured } = settings();
    if (!enabled) return undefined;
    const lease = await leaseAlerts(control, owner, clock.wallTime(), LEASE_MS);
    if (!lease) {
      this.#visits.clear();
      return undefined;
    }
    const rules = await EffectiveRules.read(control, configured, this.#parsed);
    const open = new OpenAlerts(await openAlerts(control));
    const tenants = this.options.tenants();
    await this.#endOrphans(lease, open, rules, tenants);
    await this.#visitTenants(lease, open, rules, tenants);
    await this.#evaluatePlatform(lease, open, rules, this.#visits.size >= tenants.length);
    this.#lease = lease;
    return lease;
  }

  /** Alerts whose rule or tenant is gone would fire for ever. */
  async #endOrphans(
    lease: AlertLease,
    open: OpenAlerts,
    rules: EffectiveRules,
    tenants: readonly AlertTenant[],
  ): Promise<void> {
    const known = new Set(tenants.map(({ id }) => id));
    const orphans = open.all.filter(({ tenant, rule }) => {
      if (tenant !== '' && !known.has(tenant)) return true;
      return rules.all(tenant === '' ? null : tenant).get(rule)?.rule.enabled !== true;
    });
    const { clock, transitions } = this.options;
    if (orphans.length > 0) await transitions.end(lease, open, orphans, clock.wallTime());
  }

  async #visitTenants(
    lease: AlertLease,
    open: OpenAlerts,
    rules: EffectiveRules,
    tenants: readonly AlertTenant[],
  ): Promise<void> {
    const { clock, usage, evaluation, transitions, onFailure } = this.options;
    const startedAt = clock.now();
    const ids = new Set(tenants.map(({ id }) => id));
    for (const id of this.#visits.keys()) if (!ids.has(id)) this.#visits.delete(id);
    evaluation.retain(ids);
    const platformWindow = platformWindowMs(rules);
    const longest = Math.max(platformWindow, ...allWindows(rules, tenants));
    const failing = new Set(await usage.failingTenants(clock.wallTime() - longest - 60_000, MAX_FAILING));
    for (const tenant of this.#next(tenants, failing, open.tenants)) {
      const now = clock.wallTime();
      const visit = this.#visits.get(tenant.id) ?? { at: 0, windows: new Map() };
      this.#visits.set(tenant.id, visit);
      visit.at = now;
      try {
        const isFailing = failing.has(tenant.id);
        const found = await evaluation.visit(
          tenant,
          rules.enabled(tenant.id),
          platformWindow,
          isFailing,
          now,
        );
        visit.windows = found.windows;
        await transitions.apply(lease, open, tenant.id, found.evaluations, now);
      } catch (error) {
        if (error instanceof Error && error.name === 'AlertLeaseLost') throw error;
        onFailure(error);
      }
      if (clock.now() - startedAt >= TICK_MS) break;
    }
  }

  /** @returns the tenants of this tick: those that cannot wait, then those that were not visited for longest */
  #next(
    tenants: readonly AlertTenant[],
    failing: ReadonlySet<string>,
    alerting: ReadonlySet<string>,
  ): AlertTenant[] {
    const visitedAt = ({ id }: AlertTenant) => this.#visits.get(id)?.at ?? 0;
    const sorted = [...tenants].sort((a, b) => visitedAt(a) - visitedAt(b));
    const urgent = sorted.filter(({ id }) => failing.has(id) || alerting.has(id)).slice(0, URGENT_AT_ONCE);
    const others = sorted.filter((tenant) => !urgent.includes(tenant));
    // In turns, so that neither kind uses up the time of the other.
    const next: AlertTenant[] = [];
    for (let index = 0; next.length < TENANTS_AT_ONCE && index < tenants.length; index += 1) {
      const [one, other] = [urgent[index], others[index]];
      if (one) next.push(one);
      if (other && next.length < TENANTS_AT_ONCE) next.push(other);
    }
    return next;
  }

  /** @param isComplete whether each tenant was visited: otherwise a restart would end alerts of all tenants together */
  async #evaluatePlatform(
    lease: AlertLease,
    open: OpenAlerts,
    rules: EffectiveRules,
    isComplete: boolean,
  ): Promise<void> {
    const { control, clock, transitions } = this.options;
    const now = clock.wallTime();
    const rows = await currentObservations(control, now);
    const windows = new Map<string, ModelWindow>();
    const oldest = now - platformWindowMs(rules);
    for (const visit of this.#visits.values()) if (visit.at >= oldest) addWindows(windows, visit.windows);
    const due = rules.enabled(null).filter((rule) => isComplete || !isMeasured(rule));
    const evaluations = due.map((rule): Evaluation => {
      if (rule.kind === 'error_rate') return { rule, conditions: errorRates(rule, windows) };
      if (rule.kind === 'latency') return { rule, conditions: latencies(rule, windows) };
      return evaluateObservations(rule, rows);
    });
    await transitions.apply(lease, open, '', evaluations, now);
  }
}

const isMeasured = ({ kind }: AlertRule) =>
  kind === 'error_rate' || kind === 'latency' || kind === 'rejections';

/** All of the platform's rules measure one window, the longest: windows of tenants are kept once. */
function platformWindowMs(rules: EffectiveRules): number {
  return Math.max(
    60_000,
    ...rules
      .enabled(null)
      .filter(isMeasured)
      .map(({ windowMs }) => windowMs),
  );
}

function allWindows(rules: EffectiveRules, tenants: readonly AlertTenant[]): number[] {
  const distinct = new Set(tenants.map(({ id }) => rules.enabled(id)));
  return [...distinct].flatMap((each) => each.filter(isMeasured).map(({ windowMs }) => windowMs));
}
