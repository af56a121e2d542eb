import type { Limit, SubjectLimits } from '../core/limit.ts';
import type { Calendar, Period } from '../limits/calendar.ts';
import type { MetricGroup, MetricPoint } from '../storage/sql/metric-store.ts';
import { amountText, type Condition } from './condition.ts';
import { capital, idWithin, ownerText } from './limit-use.ts';
import type { AlertRule } from './rule.ts';
import { ordinal, spendPace } from './spend-pace.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Complete days that a pace is computed from. */
const PAST_DAYS = 28;
const PICO = 1e12;
const NANO = 1e9;

/** A monthly budget. */
export interface Budget {
  readonly subject: SubjectLimits;
  readonly limit: Limit;
}

/** Budgets of one tenant whose pace is followed. */
const MAX_BUDGETS = 20;

/** @returns the monthly budgets of some owners; those of the tenant first */
export function budgetsOf(subjects: readonly SubjectLimits[]): Budget[] {
  const all = subjects.flatMap((subject) =>
    subject.limits.flatMap((limit) =>
      limit.of === 'cost' && limit.per === 'month' && limit.mode !== 'shadow' && limit.max > 0
        ? [{ subject, limit }]
        : [],
    ),
  );
  const rank = ({ subject: { scope } }: Budget) => (scope === 'tenant' ? 0 : 1);
  return all.sort((a, b) => rank(a) - rank(b)).slice(0, MAX_BUDGETS);
}

/** @returns which usage counts for a budget */
export function filterOf({ scope, id }: SubjectLimits): MetricGroup {
  const within = id.slice(id.indexOf('/') + 1);
  if (scope === 'key' || scope === 'user' || scope === 'tag') return { [scope]: within };
  return {};
}

/** Days in a time zone whose use is read: those of a pace, and those of the month so far. */
export class PaceDays {
  readonly month: Period;
  readonly days: readonly Period[];
  /** Sums by hour or day of UTC, whichever fits the days. */
  readonly query: { readonly from: number; readonly to: number; readonly step: number };

  constructor(
    calendar: Calendar,
    readonly now: number,
    readonly timeZone: string,
  ) {
    this.month = calendar.periodAt(now, 'month', timeZone);
    const from = Math.min(this.month.startsAt, now - (PAST_DAYS + 1) * DAY_MS);
    this.days = daysIn(calendar, from, now, timeZone);
    const step = this.days.every(({ startsAt }) => startsAt % DAY_MS === 0) ? DAY_MS : HOUR_MS;
    this.query = {
      from: Math.ceil((this.days[0]?.startsAt ?? now) / step) * step,
      to: (Math.floor(now / step) + 1) * step,
      step,
    };
  }
}

/** @returns the days of a time zone that contain some time, in order */
export function daysIn(calendar: Calendar, from: number, to: number, timeZone: string): Period[] {
  const days: Period[] = [];
  for (let at = from; at <= to; at = days.at(-1)?.endsAt ?? to + 1) {
    days.push(calendar.periodAt(at, 'day', timeZone));
  }
  return days;
}

/** Evaluates a rule of the kind `spend_pace` for one budget. @returns undefined for too few days of use */
export function paceCondition(
  rule: AlertRule,
  { subject, limit }: Budget,
  points: readonly MetricPoint[],
  { month, days, now, timeZone }: PaceDays,
  calendar: Calendar,
): Condition | undefined {
  const spent = days.map((day, index) => {
    // An hour in which a day begins counts for the day before.
    const next = days[index + 1]?.startsAt ?? Number.POSITIVE_INFINITY;
    let pico = 0n;
    for (const { start, sums } of points) if (start >= day.startsAt && start < next) pico += sums.cost_pico;
    return { day, amount: Number(pico) / PICO };
  });
  const today = spent.at(-1);
  if (!today) return undefined;
  const budget = (limit.max / NANO) * (rule.above / 100);
  const left = daysIn(calendar, now, month.endsAt - 1, timeZone);
  const used = spent.reduce(
    (sum, { day, amount }) => (day.startsAt >= month.startsAt ? sum + amount : sum),
    0,
  );
  const pace = spendPace({
    days: spent
      .slice(0, -1)
      .slice(-PAST_DAYS)
      .map(({ day, amount }) => ({ weekday: weekdayOf(day), amount })),
    ...{ used, today: today.amount, budget },
    todayShare: Math.min(1, (now - today.day.startsAt) / (today.day.endsAt - today.day.startsAt)),
    weekdaysLeft: left.map(weekdayOf),
  });
  if (!pace) return undefined;
  const reached = pace.daysUntil === undefined ? undefined : left[pace.daysUntil];
  const share = rule.above === 100 ? '' : `${amountText(rule.above)} % of `;
  const money = (amount: number) => `$${amount.toFixed(2)}`;
  const summary =
    reached === undefined
      ? `ends the month at ${money(pace.expected)} of ${share}its budget of ${money(limit.max / NANO)}`
      : used >= budget
        ? `has reached ${share}its budget of ${money(limit.max / NANO)}`
        : `reaches ${share}its budget of ${money(limit.max / NANO)} on the ${ordinal(Number(reached.id.slice(8)))} (${timeZone}), at ${money(used)} now`;
  const id = idWithin(subject);
  return {
    ...{ rule, value: Math.round((1_000 * pace.expected) / (limit.max / NANO)) / 10, threshold: rule.above },
    ...{ unit: '%', holds: reached !== undefined, subject: `${subject.scope}:${id}:cost:month` },
    labels: subject.scope === 'key' ? { key: id } : {},
    summary: `${capital(ownerText(subject))} ${summary}.`,
  };
}

/** @param id as `2026-11-21` */
function weekdayOf({ id }: Period): number {
  return new Date(`${id}T00:00:00Z`).getUTCDay();
}
