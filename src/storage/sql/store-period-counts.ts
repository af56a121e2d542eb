import { PreparedRows } from './prepared-rows.ts';
import type { UsageDatabase } from './usage-database.ts';

/** Use of a quota or budget in one day or month. */
export interface PeriodCount {
  /** Key of the counter. */
  readonly counter: string;
  /** `2026-11-21` or `2026-11`. */
  readonly period: string;
  /** Requests, tokens or 10^-9 US dollars. */
  readonly used: number;
}

/** Counts that replace or raise the saved ones. */
export interface PeriodCountUpdate {
  readonly counts: readonly PeriodCount[];
  /** True when a count replaces the saved one; false when the larger of both is kept. */
  readonly latest: boolean;
  /** Unix milliseconds. */
  readonly at: number;
}

interface Row extends PeriodCount {
  readonly at: number;
}

const rowsOf = (used: string) =>
  new PreparedRows<Row>(
    (rows) =>
      `INSERT INTO period_counters (counter, period, used, updated_at) VALUES ${rows} ON CONFLICT (counter, period) DO UPDATE SET used = ${used}, updated_at = excluded.updated_at`,
    4,
    ({ counter, period, used: count, at }, values) => values.push(counter, period, count, at),
  );

const LATEST = rowsOf('excluded.used');
const LARGEST = rowsOf(
  'CASE WHEN excluded.used > period_counters.used THEN excluded.used ELSE period_counters.used END',
);

/** Saves the use of quotas and budgets in one transaction. @throws the database's error; nothing is saved then */
export function storePeriodCounts(
  database: UsageDatabase,
  { counts, latest, at }: PeriodCountUpdate,
): Promise<void> {
  const rows = counts.map((count) => ({ ...count, at }));
  return database.transaction(async (execute) => {
    await (latest ? LATEST : LARGEST).run(execute, database, rows);
  });
}
