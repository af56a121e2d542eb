import type { Config } from '../config/schema.ts';
import { Calendar } from '../limits/calendar.ts';
import { sendMail } from '../platform/mailer.ts';
import { openObjectStorage } from '../platform/object-storage/open-object-storage.ts';
import { isHome } from '../regions/regions.ts';
import { ReportBuilder } from '../reports/report-builder.ts';
import { periodAt, periodBefore } from '../reports/report-period.ts';
import { ReportRun } from '../reports/report-run.ts';
import { ReportStore } from '../reports/report-store.ts';
import { ReportSchedules } from '../reports/schedules.ts';
import type { Reports } from '../reports/services.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { AuditEntry } from '../storage/sql/tenant-tables.ts';
import { SqlUsageStore } from '../storage/sql/usage-store.ts';
import type { Stores } from './stores.ts';

export type ReportStores = Pick<Stores, 'control' | 'databases' | 'sources' | 'outbox' | 'access'>;

/** Builds reports, for a gateway or a command. */
export function createReports(
  { control, databases, sources, outbox, access }: ReportStores,
  config: () => Config,
  env: Readonly<Record<string, string | undefined>>,
): Reports {
  const calendar = new Calendar();
  const zoneOf = (tenant: string | null) => {
    if (tenant === null) return 'UTC';
    const known = access.tenant(tenant);
    return known && known.status !== 'deleted' ? (known.document.time_zone ?? 'UTC') : undefined;
  };
  const audit = (tenant: string | null, entry: AuditEntry) =>
    tenant === null
      ? control.transaction().execute((transaction) => writeAudit(transaction, entry))
      : databases.use({ tenant }, (db) =>
          db.transaction().execute((transaction) => writeAudit(transaction, entry)),
        );
  const builder = new ReportBuilder({
    ...{ control, databases, calendar, usage: new SqlUsageStore(databases) },
    tenantNames: () => new Map([...access.tenants()].map(({ id, name }) => [id, name])),
    engines: () => (config().providers ?? []).flatMap(({ id, engine }) => (engine === null ? [] : [id])),
  });
  const schedules = new ReportSchedules({
    ...{ control, sources, calendar, audit },
    zoneOf: (tenant) => zoneOf(tenant) ?? 'UTC',
  });
  const reports = new ReportStore(control);
  return {
    ...{ builder, schedules, reports },
    run: new ReportRun({
      ...{ control, sources, calendar, builder, outbox },
      // Gateways of another region make the reports of its tenants.
      zoneOf: (tenant) => {
        const known = tenant === null ? undefined : access.tenant(tenant);
        return known && !isHome(config().region, known.residency) ? undefined : zoneOf(tenant);
      },
    }),
    delivery: {
      ...{ reports, schedules },
      send: () => {
        const server = config().mail;
        return server ? (mail) => sendMail(server, mail) : undefined;
      },
      files: () => {
        const location = config().storage.report_files;
        return location === null ? undefined : openObjectStorage(location, env);
      },
    },
    preview: (tenant, name, at) => {
      const zone = zoneOf(tenant) ?? 'UTC';
      const now = periodAt(calendar, at ?? sources.clock.wallTime(), name, zone);
      return builder.build(tenant, name, at === undefined ? periodBefore(calendar, now, name) : now);
    },
  };
}
