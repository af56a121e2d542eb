import type { HourUse } from '../storage/sql/alert-usage.ts';
import { amountText, type Condition } from './condition.ts';
import type { AlertRule } from './rule.ts';
import { compareUse, MIN_WEEKS, median, type UseComparison } from './unusual-use.ts';

/** What a tenant, or one of its keys, used in one hour, compared with previous weeks. */
export interface UseFinding extends UseComparison {
  /** Null for the whole tenant. */
  readonly key: string | null;
  readonly value: number;
}

export interface UseHours {
  /** The hour that is judged. */
  readonly hour: number;
  /** The same hour of previous weeks. */
  readonly previous: readonly number[];
  readonly uses: readonly HourUse[];
  /** The first hour with use of the tenant; undefined without any. */
  readonly firstHour: number | undefined;
}

type UseMetric = 'tokens' | 'requests' | 'cost';
const metricOf = ({ metric }: AlertRule): UseMetric =>
  metric === 'requests' || metric === 'cost' ? metric : 'tokens';

/**
 * Compares the use of an hour for a whole tenant and for each of its keys. Weeks before the tenant's first use are no
 * history; a key's history is the weeks in which it was used.
 */
export function compareHours(rule: AlertRule, { hour, previous, uses, firstHour }: UseHours): UseFinding[] {
  const metric = metricOf(rule);
  const known = previous.filter((start) => firstHour !== undefined && start >= firstHour);
  const findings: UseFinding[] = [];
  const judge = (key: string | null, rows: readonly HourUse[], weeks: readonly number[]) => {
    const sum = (start: number, of: UseMetric) =>
      rows.reduce((total, row) => (row.start === start ? total + row[of] : total), 0);
    const requests = Math.max(sum(hour, 'requests'), median(weeks.map((week) => sum(week, 'requests'))));
    if (requests < rule.minRequests) return;
    const value = sum(hour, metric);
    const compared = compareUse(
      value,
      weeks.map((week) => sum(week, metric)),
      Math.max(rule.above, 1.01),
    );
    findings.push({ key, value, ...compared });
  };
  judge(null, uses, known);
  const byKey = new Map<string, HourUse[]>();
  for (const use of uses) {
    const rows = byKey.get(use.key);
    if (rows) rows.push(use);
    else byKey.set(use.key, [use]);
  }
  for (const [key, rows] of byKey) {
    const weeks = known.filter((week) => rows.some(({ start }) => start === week));
    // A key with little history says nothing that the tenant does not.
    if (weeks.length >= MIN_WEEKS) judge(key, rows, weeks);
  }
  return findings;
}

/** @param keyName of a key by its id */
export function useConditions(
  rule: AlertRule,
  findings: readonly UseFinding[],
  hour: number,
  keyName: (id: string) => string,
): Condition[] {
  const metric = metricOf(rule);
  return findings.map(({ key, value, expected, verdict, weeks }) => {
    const times = expected > 0 ? value / expected : 0;
    const shown = (amount: number) =>
      metric === 'cost' ? `$${amount.toFixed(2)}` : `${amountText(amount)} ${metric}`;
    const who = key === null ? 'The tenant' : `The key ${keyName(key)}`;
    const when = new Date(hour).toISOString().slice(0, 16).replace('T', ' ');
    const history =
      verdict === 'insufficient_history'
        ? `insufficient history: ${weeks} of ${MIN_WEEKS} weeks`
        : `usual at this hour: ${shown(expected)}, by ${weeks} weeks`;
    return {
      ...{ rule, value: times, threshold: rule.above, unit: 'times' },
      subject: key === null ? metric : `${metric} of ${key}`,
      holds: verdict === 'high' || verdict === 'low',
      labels: key === null ? {} : { key },
      summary: `${who} used ${shown(value)} in the hour from ${when} UTC (${history}).`,
    };
  });
}
