import { TimeZones } from '../core/time-zone.ts';
import { Calendar } from '../limits/calendar.ts';
import { countersOf } from '../limits/counter.ts';
import { type AlertState, nextState } from './alert-state.ts';
import type { Condition } from './condition.ts';
import { limitsUsed } from './limit-use.ts';
import { errorRates, latencies, modelWindows, rejections } from './model-window.ts';
import { budgetsOf, filterOf, PaceDays, paceCondition } from './pace-rule.ts';
import type { AlertRule } from './rule.ts';
import type { Alerts } from './services.ts';
import type { AlertTenant } from './tenant-evaluation.ts';
import { HISTORY_WEEKS, sameHours } from './unusual-use.ts';
import { compareHours, useConditions } from './use-rule.ts';

/** An alert that a rule would have made. Times are Unix milliseconds. */
export interface DryAlert {
  readonly subject: string;
  readonly firedAt: number;
  /** Null for one that would still fire. */
  readonly resolvedAt: number | null;
  /** The largest value while it fired. */
  readonly peak: number;
  /** When it fired. */
  readonly summary: string;
}

export interface DryRun {
  readonly from: number;
  readonly to: number;
  /** Milliseconds between two evaluations. */
  readonly stepMs: number;
  readonly alerts: readonly DryAlert[];
  /** Hours with too little history to compare; 0 for rules that compare nothing. */
  readonly insufficientHistory: number;
}

/** Conditions at one moment. */
interface Moment {
  readonly at: number;
  readonly conditions: readonly Condition[];
}

interface Replay {
  readonly stepMs: number;
  readonly moments: readonly Moment[];
  readonly insufficientHistory?: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const NANO_OF_PICO = 1_000n;
const MAX_ALERTS = 200;
/** Owners of limits that are replayed. */
const MAX_SUBJECTS = 50;

/** What the replay needs. */
export type DryRunSources = Pick<Alerts, 'usage' | 'metrics' | 'limitsIn' | 'keyName'>;

/**
 * Evaluates a rule over the last seven days: from sums by window, by hour or by day, so it may differ from what an
 * evaluation every few seconds finds.
 * @returns undefined for a kind whose past is not stored
 * @throws the database's error
 */
export async function dryRun(
  sources: DryRunSources,
  tenant: AlertTenant,
  rule: AlertRule,
  now: number,
): Promise<DryRun | undefined> {
  const range = { from: Math.floor((now - WEEK_MS) / HOUR_MS) * HOUR_MS, to: now };
  const replay = await replayOf(sources, tenant, rule, range);
  return (
    replay && {
      ...range,
      stepMs: replay.stepMs,
      alerts: alertsOf(rule, replay),
      insufficientHistory: replay.insufficientHistory ?? 0,
    }
  );
}

type Range = Pick<DryRun, 'from' | 'to'>;

function replayOf(
  sources: DryRunSources,
  tenant: AlertTenant,
  rule: AlertRule,
  range: Range,
): Promise<Replay> | undefined {
  switch (rule.kind) {
    case 'error_rate':
    case 'rejections':
      return requestReplay(sources, tenant, rule, range);
    case 'latency':
      return latencyReplay(sources, tenant, rule, range);
    case 'unusual_use':
      return useReplay(sources, tenant, rule, range);
    case 'limit_used':
      return limitReplay(sources, tenant, rule, range);
    case 'spend_pace':
      return paceReplay(sources, tenant, rule, range);
    default:
      return undefined;
  }
}

async function requestReplay(
  { usage }: DryRunSources,
  { id }: AlertTenant,
  rule: AlertRule,
  { from, to }: Range,
): Promise<Replay> {
  const { windowMs } = rule;
  const steps = Map.groupBy(await usage.steps({ tenant: id }, from, to, windowMs), ({ start }) => start);
  const failures = rule.kind === 'error_rate' ? await usage.failures(id, from, to) : [];
  const failed = Map.groupBy(failures, ({ at }) => at - (at % windowMs));
  const moments: Moment[] = [];
  for (let start = from - (from % windowMs); start < to; start += windowMs) {
    const minutes = (steps.get(start) ?? []).map((step) => ({
      ...{ ...step, provider: '', latency: '', firstEvent: '' },
    }));
    const windows = modelWindows(minutes, failed.get(start) ?? [], start);
    const conditions =
      rule.kind === 'error_rate' ? errorRates(rule, windows) : rejections(rule, windows, windowMs);
    moments.push({ at: Math.min(start + windowMs, to), conditions });
  }
  return { stepMs: windowMs, moments };
}

async function latencyReplay(
  { usage }: DryRunSources,
  { id }: AlertTenant,
  rule: AlertRule,
  { from, to }: Range,
): Promise<Replay> {
  const hours = Map.groupBy(await usage.hourlyTimes({ tenant: id }, from, to), ({ start }) => start);
  const moments: Moment[] = [];
  for (let start = from; start < to; start += HOUR_MS) {
    const windows = modelWindows(hours.get(start) ?? [], [], start);
    moments.push({ at: Math.min(start + HOUR_MS, to), conditions: latencies(rule, windows) });
  }
  return { stepMs: HOUR_MS, moments };
}

async function useReplay(
  { usage, keyName }: DryRunSources,
  { id, timeZone }: AlertTenant,
  rule: AlertRule,
  { from, to }: Range,
): Promise<Replay> {
  const scope = { tenant: id };
  const firstHour = await usage.firstHour(scope);
  // Clocks may have changed since: an hour more.
  const uses = await usage.hourlyUse(scope, from - HISTORY_WEEKS * WEEK_MS - HOUR_MS, to);
  const byHour = new Map(uses.map((use) => [use.start, use]));
  const zones = new TimeZones();
  const offsetAt = (at: number) => zones.localTime(at, timeZone) - at;
  let insufficientHistory = 0;
  const moments: Moment[] = [];
  for (let hour = from; hour + HOUR_MS <= to; hour += HOUR_MS) {
    const previous = sameHours(hour, offsetAt);
    const found = [hour, ...previous].flatMap((start) => byHour.get(start) ?? []);
    const findings = compareHours(rule, { hour, previous, uses: found, firstHour }).filter(
      ({ key }) => key === null,
    );
    insufficientHistory += findings.filter(({ verdict }) => verdict === 'insufficient_history').length;
    const conditions = useConditions(rule, findings, hour, (key) => keyName(id, key));
    moments.push({ at: hour + HOUR_MS, conditions });
  }
  return { stepMs: HOUR_MS, moments, insufficientHistory };
}

async function limitReplay(
  { metrics, limitsIn }: DryRunSources,
  { id }: AlertTenant,
  rule: AlertRule,
  { from, to }: Range,
): Promise<Replay> {
  const calendar = new Calendar();
  const moments = new Map<number, Condition[]>();
  for (let at = from + HOUR_MS; at <= to; at += HOUR_MS) moments.set(at, []);
  for (const subject of limitsIn(id).slice(0, MAX_SUBJECTS)) {
    const counters = countersOf(subject).flatMap((one) => (one.kind === 'period' ? [one] : []));
    if (counters.length === 0) continue;
    const first = calendar.periodAt(from, 'month', subject.timeZone).startsAt;
    const query = {
      from: Math.floor(first / HOUR_MS) * HOUR_MS,
      to: Math.ceil(to / HOUR_MS) * HOUR_MS,
      step: HOUR_MS,
    };
    const points = await metrics.sums({ tenant: id }, { ...query, filter: filterOf(subject) }, [], undefined);
    for (const counter of counters) {
      const { of } = counter.limit;
      for (const [at, conditions] of moments) {
        const { startsAt } = calendar.periodAt(at - 1, counter.per, subject.timeZone);
        let used = 0;
        for (const { start, sums } of points) {
          if (start < startsAt || start >= at) continue;
          if (of === 'requests') used += Number(sums.requests);
          else if (of === 'tokens') used += Number(sums.input_tokens + sums.output_tokens);
          else used += Number(sums.cost_pico / NANO_OF_PICO);
        }
        conditions.push(...limitsUsed(rule, [{ counter, counterState: used }]));
      }
    }
  }
  return { stepMs: HOUR_MS, moments: Array.from(moments, ([at, conditions]) => ({ at, conditions })) };
}

async function paceReplay(
  { metrics, limitsIn }: DryRunSources,
  { id, timeZone }: AlertTenant,
  rule: AlertRule,
  { from, to }: Range,
): Promise<Replay> {
  const calendar = new Calendar();
  const budgets = budgetsOf(limitsIn(id));
  const times = Array.from({ length: 8 }, (_, day) => Math.min(to, from + day * DAY_MS));
  const moments = times.map((at) => ({ at, conditions: [] as Condition[] }));
  const earliest = new PaceDays(calendar, from, timeZone);
  const latest = new PaceDays(calendar, to, timeZone);
  const step = earliest.query.step === DAY_MS && latest.query.step === DAY_MS ? DAY_MS : HOUR_MS;
  for (const budget of budgets) {
    const query = { from: earliest.query.from, to: Math.ceil(to / step) * step, step };
    const aligned = {
      ...query,
      from: Math.floor(query.from / step) * step,
      filter: filterOf(budget.subject),
    };
    const points = await metrics.sums({ tenant: id }, aligned, [], undefined);
    for (const { at, conditions } of moments) {
      const known = points.filter(({ start }) => start + step <= at);
      const condition = paceCondition(rule, budget, known, new PaceDays(calendar, at, timeZone), calendar);
      if (condition) conditions.push(condition);
    }
  }
  return { stepMs: DAY_MS, moments };
}

/** Follows the states of each subject through the moments. */
function alertsOf(rule: AlertRule, { moments, stepMs }: Replay): DryAlert[] {
  const states = new Map<string, { state: AlertState; peak: number; summary: string }>();
  const found: DryAlert[] = [];
  const end = (subject: string, resolvedAt: number | null) => {
    const one = states.get(subject);
    states.delete(subject);
    if (one?.state.firedAt == null || found.length >= MAX_ALERTS) return;
    found.push({ subject, firedAt: one.state.firedAt, resolvedAt, peak: one.peak, summary: one.summary });
  };
  // A step stands for the time that it covers.
  const timing = { forMs: Math.max(0, rule.forMs - stepMs), keepFiringMs: rule.keepFiringMs };
  for (const { at, conditions } of moments) {
    const holding = new Map(conditions.map((condition) => [condition.subject, condition]));
    for (const subject of new Set([...states.keys(), ...holding.keys()])) {
      const condition = holding.get(subject);
      const holds = condition?.holds === true;
      const before = states.get(subject);
      const next = nextState(before?.state, holds, timing, 0, at);
      if (!next || next.state === 'resolved') {
        end(subject, at);
        continue;
      }
      const value = holds ? condition.value : 0;
      const isNew = before?.state.state !== 'firing' && next.state === 'firing';
      states.set(subject, {
        state: next,
        peak: Math.max(before?.peak ?? value, value),
        summary: isNew || !before ? (condition?.summary ?? '') : before.summary,
      });
    }
  }
  for (const subject of [...states.keys()]) end(subject, null);
  return found.sort((a, b) => a.firedAt - b.firedAt);
}
