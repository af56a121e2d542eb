import type { Kysely } from 'kysely';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { parseJsonText } from '../core/json.ts';
import type { Calendar } from '../limits/calendar.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import type { ReportScheduleRow } from '../storage/sql/report-tables.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { email } from '../tenancy/names.ts';
import { assertVersion, type SeenVersion } from '../tenancy/versions.ts';
import { periodAt, REPORT_PERIODS } from './report-period.ts';

const MAX_SCHEDULES = 20;
const MAX_RECIPIENTS = 10;

/** What a person decides of a schedule. */
export const scheduleSettings = z.strictObject({
  name: z
    .string()
    .trim()
    .regex(/^[^\p{Cc}]{1,100}$/u, 'must have 1 to 100 characters on one line')
    .describe('Subject of mails.'),
  period: z
    .enum(REPORT_PERIODS)
    .describe('Days, weeks from Monday, or months in the time zone of the tenant.'),
  recipients: z
    .array(email)
    .max(MAX_RECIPIENTS)
    .default([])
    .describe('Addresses that get it by mail; needs `mail` in the configuration.'),
  files: z
    .boolean()
    .default(false)
    .describe('Writes it as CSV and JSON to `storage.report_files` of the configuration.'),
  enabled: z.boolean().default(true),
});
export type ScheduleSettings = z.infer<typeof scheduleSettings>;

/** A schedule of reports. Times are Unix milliseconds. */
export interface ReportSchedule extends ScheduleSettings {
  readonly id: string;
  /** Null for the installation. */
  readonly tenant: string | null;
  /** End of the period whose report is made next. */
  readonly nextEnd: number;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface SchedulesOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly calendar: Calendar;
  /** Of a tenant; UTC for the installation. */
  readonly zoneOf: (tenant: string | null) => string;
  /** Appends to the audit trail of a tenant, or of the platform for null. */
  readonly audit: (tenant: string | null, entry: AuditEntry) => Promise<void>;
}

/** Manages schedules. Methods reject with GatewayError or the database's error. */
export class ReportSchedules {
  constructor(private readonly options: SchedulesOptions) {}

  /** @param tenant null for the installation */
  async list(tenant: string | null): Promise<ReportSchedule[]> {
    const rows = await this.options.control
      .selectFrom('report_schedules')
      .selectAll()
      .where('tenant', '=', tenant ?? '')
      .orderBy('id')
      .execute();
    return rows.map(scheduleOf);
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string | null, id: string): Promise<ReportSchedule> {
    return scheduleOf(await this.#row(this.options.control, tenant, id));
  }

  /** @returns undefined where it was deleted */
  async find(tenant: string | null, id: string): Promise<ReportSchedule | undefined> {
    return (await this.list(tenant)).find((one) => one.id === id);
  }

  /** The first report is that of the period that runs now. @throws GatewayError `conflict` for too many */
  async create(
    tenant: string | null,
    settings: ScheduleSettings,
    by: ChangeContext,
  ): Promise<ReportSchedule> {
    const { control, sources } = this.options;
    const now = sources.clock.wallTime();
    const row: ReportScheduleRow = {
      ...{ id: sources.newId('rps'), tenant: tenant ?? '', document: JSON.stringify(settings) },
      ...{ enabled: settings.enabled ? 1 : 0, next_end: this.#nextEnd(tenant, settings, now), version: 1 },
      ...{ created_by: by.actor.id, created_at: now, updated_at: now },
    };
    await control.transaction().execute(async (transaction) => {
      await lockQuota(transaction, 'report_schedules', row.tenant);
      await transaction.insertInto('report_schedules').values(row).execute();
      const { count } = await transaction
        .selectFrom('report_schedules')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .where('tenant', '=', row.tenant)
        .executeTakeFirstOrThrow();
      if (Number(count) > MAX_SCHEDULES) {
        throw new GatewayError('conflict', `There are ${MAX_SCHEDULES} schedules already. Delete one first.`);
      }
    });
    const { name, period } = settings;
    await this.#audit(tenant, by, 'report_schedule.create', row.id, { name, period });
    return scheduleOf(row);
  }

  /** @throws GatewayError `not_found` or `precondition_failed` */
  async update(
    tenant: string | null,
    id: string,
    wanted: { readonly [name in keyof ScheduleSettings]?: ScheduleSettings[name] | undefined },
    seen: SeenVersion,
    by: ChangeContext,
  ): Promise<ReportSchedule> {
    const { control, sources } = this.options;
    const now = sources.clock.wallTime();
    const updated = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      const before = settingsOf(row);
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      const settings = scheduleSettings.parse({ ...before, ...given });
      // Another period starts again, and a schedule that was off does not make what it has missed.
      const restarts = settings.period !== before.period || (settings.enabled && !before.enabled);
      const set = {
        ...{ document: JSON.stringify(settings), enabled: settings.enabled ? 1 : 0 },
        ...(restarts && { next_end: this.#nextEnd(tenant, settings, now) }),
        ...{ version: row.version + 1, updated_at: now },
      };
      await transaction.updateTable('report_schedules').set(set).where('id', '=', id).execute();
      return { ...row, ...set };
    });
    await this.#audit(tenant, by, 'report_schedule.update', id, { changed: Object.keys(wanted) });
    return scheduleOf(updated);
  }

  /** Its reports stay. @throws GatewayError `not_found` or `precondition_failed` */
  async remove(tenant: string | null, id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    const { control } = this.options;
    const { name } = await control.transaction().execute(async (transaction) => {
      const row = await this.#row(transaction, tenant, id);
      assertVersion(seen, row.version);
      await transaction.deleteFrom('report_schedules').where('id', '=', id).execute();
      return settingsOf(row);
    });
    await this.#audit(tenant, by, 'report_schedule.delete', id, { name });
  }

  #nextEnd(tenant: string | null, { period }: ScheduleSettings, now: number): number {
    const { calendar, zoneOf } = this.options;
    return periodAt(calendar, now, period, zoneOf(tenant)).to;
  }

  async #row(db: Kysely<ControlTables>, tenant: string | null, id: string): Promise<ReportScheduleRow> {
    const row = await db
      .selectFrom('report_schedules')
      .selectAll()
      .where('id', '=', id)
      .where('tenant', '=', tenant ?? '')
      .executeTakeFirst();
    if (!row) throw new GatewayError('not_found', 'There is no such schedule of reports.');
    return row;
  }

  #audit(
    tenant: string | null,
    by: ChangeContext,
    action: string,
    id: string,
    details: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { sources, audit } = this.options;
    return audit(tenant, auditEntry(sources, by, action, `report_schedule:${id}`, details));
  }
}

export function scheduleOf(row: ReportScheduleRow): ReportSchedule {
  return {
    ...settingsOf(row),
    id: row.id,
    tenant: row.tenant === '' ? null : row.tenant,
    nextEnd: Number(row.next_end),
    version: row.version,
    createdBy: row.created_by,
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  };
}

function settingsOf({ document }: ReportScheduleRow): ScheduleSettings {
  return scheduleSettings.parse(parseJsonText(document));
}
