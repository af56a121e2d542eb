import type { Kysely } from 'kysely';
import type { Outbox } from '../events/outbox.ts';
import type { Calendar } from '../limits/calendar.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { ReportScheduleRow } from '../storage/sql/report-tables.ts';
import type { Sources } from '../tenancy/change-context.ts';
import type { ReportBuilder } from './report-builder.ts';
import { periodAt, periodBefore } from './report-period.ts';
import { type ReportSchedule, scheduleOf } from './schedules.ts';

/** After the end of a period: usage of the last seconds arrives, and copies of daily sums are renewed every hour. */
const TENANT_DELAY_MS = 10 * 60_000;
const PLATFORM_DELAY_MS = 2 * 3_600_000;
/** Schedules that are read at a time. */
const DUE_AT_ONCE = 50;
/** Periods that a gateway makes up for after it was off; older ones are left out. */
const MAX_MISSED = 7;
const DAY_MS = 86_400_000;
const KEEP_MS = 800 * DAY_MS;

export interface ReportRunOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly calendar: Calendar;
  readonly builder: ReportBuilder;
  readonly outbox: Pick<Outbox, 'append' | 'wake'>;
  /** @returns undefined for a tenant that does not exist */
  readonly zoneOf: (tenant: string | null) => string | undefined;
}

/** Makes the reports that are due: one for each schedule and period, whatever the number of gateways. */
export class ReportRun {
  constructor(private readonly options: ReportRunOptions) {}

  /**
   * To be called every minute.
   * @returns the number of reports
   * @throws the first error, after all due schedules were visited
   */
  async run(): Promise<number> {
    const { control, sources } = this.options;
    const now = sources.clock.wallTime();
    const failures: unknown[] = [];
    let made = 0;
    for await (const row of this.#due(now)) {
      try {
        if (await this.#make(scheduleOf(row), now)) made += 1;
      } catch (error) {
        failures.push(error);
      }
    }
    await control
      .deleteFrom('reports')
      .where('created_at', '<', now - KEEP_MS)
      .execute();
    if (failures.length > 0) throw failures[0];
    return made;
  }

  /** Every schedule that is due, some at a time: those that fail again and again do not keep others from their turn. */
  async *#due(now: number): AsyncGenerator<ReportScheduleRow> {
    let last: ReportScheduleRow | undefined;
    do {
      const after = last;
      const rows = await this.options.control
        .selectFrom('report_schedules')
        .selectAll()
        .where('enabled', '=', 1)
        .where('next_end', '<=', now - TENANT_DELAY_MS)
        .$if(after !== undefined, (query) =>
          query.where(({ eb, or, and }) =>
            or([
              eb('next_end', '>', after?.next_end ?? 0),
              and([eb('next_end', '=', after?.next_end ?? 0), eb('id', '>', after?.id ?? '')]),
            ]),
          ),
        )
        .orderBy('next_end')
        .orderBy('id')
        .limit(DUE_AT_ONCE)
        .execute();
      yield* rows;
      last = rows.length < DUE_AT_ONCE ? undefined : rows.at(-1);
    } while (last !== undefined);
  }

  /** @returns whether a report was made */
  async #make(schedule: ReportSchedule, now: number): Promise<boolean> {
    const { control, sources, calendar, builder, outbox, zoneOf } = this.options;
    const { id, tenant, name, nextEnd } = schedule;
    if (tenant === null && nextEnd > now - PLATFORM_DELAY_MS) return false;
    const zone = zoneOf(tenant);
    if (zone === undefined) return false;
    // Where the time zone of the tenant has changed, the period that ends next in the new one.
    let period = periodAt(calendar, nextEnd - 1, schedule.period, zone);
    const running = periodAt(calendar, now, schedule.period, zone);
    let oldest = running;
    for (let count = 0; count < MAX_MISSED; count += 1)
      oldest = periodBefore(calendar, oldest, schedule.period);
    if (period.from < oldest.from) period = oldest;
    if (period.to > now) {
      await this.#advance(control, id, nextEnd, period.to);
      return false;
    }
    const document = await builder.build(tenant, schedule.period, period);
    const report = sources.newId('rep');
    const made = await control.transaction().execute(async (transaction) => {
      // Of several gateways, one advances the schedule.
      const next = periodAt(calendar, period.to, schedule.period, zone).to;
      if (!(await this.#advance(transaction, id, nextEnd, next))) return false;
      const inserted = await transaction
        .insertInto('reports')
        .values({
          ...{ id: report, schedule: id, tenant: tenant ?? '', name, period: schedule.period },
          ...{ from_at: period.from, to_at: period.to, document: JSON.stringify(document) },
          ...{ mailed: '[]', created_at: now },
        })
        .onConflict((conflict) => conflict.columns(['schedule', 'from_at']).doNothing())
        .returning('id')
        .execute();
      if (inserted.length === 0) return false;
      const data = { report, name, from: period.from, to: period.to };
      await outbox.append(transaction, [{ type: 'report.created', tenant, data }]);
      return true;
    });
    if (made) outbox.wake();
    return made;
  }

  async #advance(db: Kysely<ControlTables>, id: string, from: number, to: number): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable('report_schedules')
      .set({ next_end: to })
      .where('id', '=', id)
      .where('next_end', '=', from)
      .where('enabled', '=', 1)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }
}
