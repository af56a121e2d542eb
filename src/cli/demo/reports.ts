import { createReports } from '../../app/reports.ts';
import type { Stores } from '../../app/stores.ts';
import type { Config } from '../../config/schema.ts';
import { BY_OPERATOR } from '../operator.ts';

const DAY_MS = 86_400_000;
/** A period in which summer time ends is an hour longer. */
const HOURS_MS = 2 * 3_600_000;
/** A time within a period that is over. */
const SCHEDULES = [
  {
    name: 'Cost of the week',
    period: 'weekly',
    before: 7 * DAY_MS + HOURS_MS,
    recipients: ['mira@acme.example'],
  },
  { name: 'Cost of the month', period: 'monthly', before: 31 * DAY_MS + HOURS_MS, recipients: [] },
] as const;

/** Schedules reports for a tenant, and makes those of the periods that are over. */
export async function addReports(stores: Stores, config: Config, tenant: string, now: number): Promise<void> {
  const { schedules, run } = createReports(stores, () => config, {});
  for (const { name, period, before, recipients } of SCHEDULES) {
    const settings = { name, period, recipients: [...recipients], files: false, enabled: true };
    const { id, nextEnd } = await schedules.create(tenant, settings, BY_OPERATOR);
    // As if it had been created in the period before.
    const due = Math.min(nextEnd, now) - before;
    await stores.control
      .updateTable('report_schedules')
      .set({ next_end: due })
      .where('id', '=', id)
      .execute();
  }
  await run.run();
}
