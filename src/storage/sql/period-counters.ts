import type { Kysely } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import type { PeriodCount, PeriodCountUpdate } from './store-period-counts.ts';

/** Counts are deleted this long after their last change; longer than any period. */
const RETENTION_MS = 40 * 86_400_000;

/** Saves the use of quotas and budgets in the control database. Every method rejects with the database's error. */
export class PeriodCounters {
  constructor(
    private readonly db: Kysely<ControlTables>,
    /** Unix milliseconds. */
    private readonly now: () => number,
    /** Saves counts: `storePeriodCounts`, in a thread where that must not delay requests. */
    private readonly store: (update: PeriodCountUpdate) => Promise<void>,
  ) {}

  /** @returns all saved counts */
  load(): Promise<PeriodCount[]> {
    return this.db.selectFrom('period_counters').select(['counter', 'period', 'used']).execute();
  }

  /** @param latest true when a new count replaces the saved one; false when the larger of both is kept */
  async save(counts: readonly PeriodCount[], latest: boolean): Promise<void> {
    if (counts.length > 0) await this.store({ counts, latest, at: this.now() });
  }

  /** Deletes counts of past periods. */
  async deleteOld(): Promise<void> {
    await this.db
      .deleteFrom('period_counters')
      .where('updated_at', '<', this.now() - RETENTION_MS)
      .execute();
  }
}
