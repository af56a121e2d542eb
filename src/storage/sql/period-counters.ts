import { type Kysely, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';

/** What is used of a quota or budget in one day or month. */
export interface PeriodCount {
  readonly counter: string;
  readonly period: string;
  readonly used: number;
}

const ROWS_AT_ONCE = 500;
/** Longer than any period lasts. */
const KEPT_MS = 40 * 86_400_000;

/** Keeps what is used of quotas and budgets beyond the process that counts it. */
export class PeriodCounters {
  constructor(
    private readonly db: Kysely<ControlTables>,
    /** Unix milliseconds. */
    private readonly now: () => number,
  ) {}

  load(): Promise<PeriodCount[]> {
    return this.db.selectFrom('period_counters').select(['counter', 'period', 'used']).execute();
  }

  /** @param latest of two numbers, whether the new one counts whatever it is; else the larger one does */
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

  async deleteOld(): Promise<void> {
    await this.db
      .deleteFrom('period_counters')
      .where('updated_at', '<', this.now() - KEPT_MS)
      .execute();
  }
}
