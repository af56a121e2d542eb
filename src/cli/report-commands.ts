import { createReports } from '../app/reports.ts';
import { REPORT_PERIODS } from '../reports/report-period.ts';
import { reportCsv, reportText } from '../reports/report-text.ts';
import type { Reports } from '../reports/services.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';

export interface ReportFlags {
  readonly tenant: string;
  readonly all: boolean;
  readonly format: string;
}

/** Lists the reports that schedules have made. */
export async function listReportsCommand(
  command: StoreCommand,
  { tenant, all, json }: Omit<ReportFlags, 'format'> & { readonly json: boolean },
): Promise<void> {
  await withReports(command, { tenant, all }, async ({ reports }, owner) => {
    const found = await reports.list(owner, 200, undefined);
    const rows = found.map(({ id, name, document, mailed }) => ({
      ...{ report: id, name, period: document.label, cost: document.totals.cost },
      ...{ previous_cost: document.previous.cost, hints: document.hints.length, mailed },
    }));
    const { output } = command;
    if (json) output.out(JSON.stringify(rows));
    else if (rows.length === 0) output.err('There are no reports.');
    else
      output.out(
        table(
          ['REPORT', 'NAME', 'PERIOD', 'COST', 'BEFORE', 'HINTS'],
          rows.map((row) => [
            ...[row.report, row.name, row.period, row.cost, row.previous_cost, String(row.hints)],
          ]),
        ),
      );
  });
}

/** Prints a report that was made. */
export async function showReportCommand(
  command: StoreCommand,
  report: string,
  flags: ReportFlags,
): Promise<void> {
  await withReports(command, flags, async ({ reports }, owner) => {
    const { name, document } = await reports.get(owner, report);
    print(command, name, document, flags.format);
  });
}

/** Makes a report of a period and prints it, without storing it. */
export async function makeReportCommand(
  command: StoreCommand,
  period: string,
  { day, ...flags }: ReportFlags & { readonly day: string | undefined },
): Promise<void> {
  const name = REPORT_PERIODS.find((one) => one === period);
  if (!name) throw new CommandError(`Use one of: ${REPORT_PERIODS.join(', ')}.`);
  const at = day === undefined ? undefined : Date.parse(`${day}T12:00:00Z`);
  if (Number.isNaN(at)) throw new CommandError('--day must be a day such as 2026-11-21.');
  await withReports(command, flags, async ({ preview }, owner) => {
    print(
      command,
      `Usage and cost of ${owner ?? 'all tenants'}`,
      await preview(owner, name, at),
      flags.format,
    );
  });
}

function print(
  { output }: StoreCommand,
  name: string,
  document: Parameters<typeof reportText>[1],
  format: string,
): void {
  if (format === 'csv') output.out(reportCsv(document).trimEnd());
  else if (format === 'json') output.out(JSON.stringify(document));
  else if (format === 'text') output.out(reportText(name, document).trimEnd());
  else throw new CommandError('--format must be text, csv or json.');
}

async function withReports(
  { config, env, output }: StoreCommand,
  { tenant, all }: Pick<ReportFlags, 'tenant' | 'all'>,
  work: (reports: Reports, owner: string | null) => Promise<void>,
): Promise<void> {
  await withStores(config, env, output, async (stores) => {
    if (!all) assertTenant(stores.access, tenant);
    await work(
      createReports(stores, () => config, env),
      all ? null : tenant,
    );
  });
}
