import type { EventConsumer } from '../events/event-dispatcher.ts';
import { dataOf } from '../events/stored-event.ts';
import type { Mail } from '../platform/mailer.ts';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import type { Report, ReportStore } from './report-store.ts';
import { reportCsv, reportText } from './report-text.ts';
import type { ReportSchedules } from './schedules.ts';

export interface ReportDeliveryOptions {
  readonly reports: ReportStore;
  readonly schedules: ReportSchedules;
  /** Undefined where no server is configured. */
  readonly send: () => ((mail: Mail) => Promise<void>) | undefined;
  /** Undefined where no files are configured. */
  readonly files: () => ObjectStorage | undefined;
}

/**
 * Delivers new reports by mail and as files: at least once. A mail is sent to an address a second time only when the process
 * ends before it is noted, and has the same id then.
 */
export function reportConsumers(
  options: () => Promise<ReportDeliveryOptions>,
): Readonly<Record<'mail' | 'files', EventConsumer>> {
  const consumer = (
    name: string,
    deliver: (report: Report, options: ReportDeliveryOptions) => Promise<void>,
  ): EventConsumer => ({
    name,
    accepts: (type) => type === 'report.created',
    deliver: async (events) => {
      for (const event of events) {
        const id = dataOf(event, 'report.created')?.report;
        if (id === undefined || event.isTest) continue;
        const given = await options();
        const report = await given.reports.find(event.tenant, id);
        if (report) await deliver(report, given);
      }
    },
  });
  // Two, so that a mail server that is down delays no file.
  return { mail: consumer('report mail', mail), files: consumer('report files', writeFiles) };
}

async function mail(report: Report, { reports, schedules, send }: ReportDeliveryOptions): Promise<void> {
  const server = send();
  const schedule = await schedules.find(report.tenant, report.schedule);
  if (!server || !schedule) return;
  const { id, name, document, mailed } = report;
  let failure: unknown;
  for (const [index, to] of schedule.recipients.entries()) {
    if (mailed.includes(to)) continue;
    try {
      await server({
        ...{ to, subject: `${name}: ${document.label}`, text: reportText(name, document) },
        id: `${id}.${index}.weir`,
        attachments: [
          {
            ...{ name: `${document.period}-${document.label}.csv`, type: 'text/csv; charset=utf-8' },
            content: new TextEncoder().encode(reportCsv(document)),
          },
        ],
      });
    } catch (error) {
      // An address that the server rejects for ever must not keep the report from the others.
      failure ??= error;
      continue;
    }
    await reports.markMailed(id, to);
  }
  if (failure !== undefined) throw failure;
}

async function writeFiles(report: Report, { schedules, files }: ReportDeliveryOptions): Promise<void> {
  const storage = files();
  const schedule = await schedules.find(report.tenant, report.schedule);
  if (!storage || !schedule?.files) return;
  const { id, tenant, document } = report;
  const key = `${tenant ?? '_installation'}/${document.period}/${document.label}-${id}`;
  const encoder = new TextEncoder();
  await storage.put(`${key}.csv`, encoder.encode(reportCsv(document)), { contentType: 'text/csv' });
  await storage.put(`${key}.json`, encoder.encode(`${JSON.stringify(document, null, 2)}\n`), {
    contentType: 'application/json',
  });
}
