import { type Kysely, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';

/** Use of a quota or budget in one day or month. */
export interface PeriodCount {
  /** Key of the counter. */
  readonly counter: string;
  /** `2026-11-21` or `2026-11`. */
  readonly period: string;
  /** Requests, tokens or 10^-9 US dollars. */
  readonly used: number;
}

const ROWS_AT_ONCE = 500;
/** Counts are deleted this long after their last change; longer than any period. */
const RETENTION_MS = 40 * 86_400_000;

/** Saves the use of quotas and budgets in the control database. Every method rejects with the database's error. */
export class PeriodCounters {
  constructor(
    private readonly db: Kysely<ControlTables>,
    /** Unix milliseconds. */
    private readonly now: () => number,
  ) {}

  /** @returns all saved counts */
  load(): Promise<PeriodCount[]> {
    return this.db.selectFrom('period_counters').select(['counter', 'period', 'used']).execute();
  }

  /** @param latest true when a new count replaces the saved one; false when the larger of both is kept */
  async save(counts: readonly PeriodCount[], latest: boolean): Promise<void> {
    const updated_at = this.now();
    for (let at = 0; at < counts.length; at += ROWS_AT_ONCE) {
      const rows = counts.slice(at, at + ROWS_AT_ONCE).map((count) => ({ ...count, updated_at }));
      const used = latest
        ? sql<number>`excluded.used`
        : sql<number>`CASE WHEN excluded.used > period_counters.used THEN excluded.used ELSE period_counters.used END`;
      await this.db
        .insertInto('period_counters')
        .values(rows)
        .onConflict((conflict) => conflict.columns(['counter', 'period']).doUpdateSet({ used, updated_at }))
        .execute();
    }
  }

  /** Deletes counts of past periods. */
  async deleteOld(): Promise<void> {
    await this.db
      .deleteFrom('period_counters')
      .where('updated_at', '<', this.now() - RETENTION_MS)
      .execute();
  }
}
