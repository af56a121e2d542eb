import { writeFileSync } from 'node:fs';
import { renderInvoice } from '../api/admin/billing-objects.ts';
import type { LazyBilling } from '../app/lazy-billing.ts';
import type { CloseRow } from '../billing/close-run.ts';
import { PushError, pushRecords } from '../billing/export-push.ts';
import { EXPORT_FORMATS, exportRecords } from '../billing/exports.ts';
import { invoiceCsv } from '../billing/invoice-csv.ts';
import type { InvoiceDocument } from '../billing/invoice-document.ts';
import type { Invoice } from '../billing/invoices.ts';
import { monthText } from '../billing/month.ts';
import { systemClock } from '../core/clock.ts';
import { csvField } from '../core/csv.ts';
import { guardedPost } from '../platform/guarded-post.ts';
import { BY_OPERATOR } from './operator.ts';
import { CommandError, type StoreCommand, table } from './output.ts';
import { assertTenant, withStores } from './stores.ts';

const PAGE = 200;

function monthFrom(text: string): string {
  const { data } = monthText.safeParse(text);
  if (data === undefined) throw new CommandError(`${JSON.stringify(text)} is not a month, such as 2026-11.`);
  return data;
}

function billingOf(
  { config, env, output }: StoreCommand,
  work: (billing: Loaded, stores: Stores) => Promise<void>,
) {
  return withStores(config, env, output, async (stores, billing) => work(await billing.load(), stores));
}
type Loaded = Awaited<ReturnType<LazyBilling['load']>>;
type Stores = Parameters<Parameters<typeof withStores>[3]>[0];

/** Prints the invoice of a month as of now; stores nothing. */
export async function previewCommand(
  command: StoreCommand,
  tenant: string,
  month: string,
  json: boolean,
): Promise<void> {
  await billingOf(command, async ({ months }, { access }) => {
    assertTenant(access, tenant);
    const { document } = await months.calculate(tenant, monthFrom(month));
    command.output.out(json ? JSON.stringify(document) : describe(document));
  });
}

function describe(document: InvoiceDocument): string {
  const { lines, taxes, currency } = document;
  const rows = [
    ...lines.map(({ type, description, late_for, key, amount }) => [
      late_for === null ? type : `${type} (late, ${late_for})`,
      description,
      key?.name ?? key?.id ?? '',
      amount,
    ]),
    ['', 'Subtotal', '', document.subtotal],
    ...taxes.map(({ name, rate, base, amount }) => ['tax', `${name} ${rate} % of ${base}`, '', amount]),
    ['', 'Total', '', document.total],
  ];
  return table(['TYPE', 'DESCRIPTION', 'KEY', `AMOUNT ${currency}`], rows);
}

export interface CloseOptions {
  readonly month: string;
  readonly tenant: string | undefined;
  readonly yes: boolean;
  readonly issue: boolean;
  readonly json: boolean;
}

/** Closes a month; without `--yes`, prints what it would make. */
export async function closeCommand(command: StoreCommand, options: CloseOptions): Promise<void> {
  const { output } = command;
  const { tenant, yes, issue, json } = options;
  const month = monthFrom(options.month);
  await billingOf(command, async ({ closeRun }, { access }) => {
    if (tenant !== undefined) assertTenant(access, tenant);
    const rows = await closeRun.run({ month, tenant, dry_run: !yes, issue }, BY_OPERATOR);
    const shown = rows.filter(({ total, error }) => total !== null || error !== null);
    if (json) output.out(JSON.stringify(rows));
    else if (shown.length === 0) output.err(`Nothing is to be charged for ${month}.`);
    else {
      const cells = ({ number, status, total, currency, error, ...row }: CloseRow) => [
        row.tenant,
        number ?? row.invoice ?? '',
        error ?? (row.created || !yes ? (status ?? '') : `${status ?? ''}, closed before`),
        total ?? '',
        currency ?? '',
      ];
      output.out(table(['TENANT', 'INVOICE', 'STATUS', 'TOTAL', 'CURRENCY'], shown.map(cells)));
    }
    if (!yes) output.err('Nothing was stored. Repeat the command with --yes to close the month.');
    const failed = rows.filter(({ error }) => error !== null).length;
    if (failed > 0) throw new CommandError(`${failed} tenants could not be closed.`);
  });
}

export interface InvoicesOptions {
  readonly tenant: string | undefined;
  readonly month: string | undefined;
  readonly json: boolean;
}

/** Lists invoices and credit notes, also of deleted tenants. */
export async function invoicesCommand(command: StoreCommand, options: InvoicesOptions): Promise<void> {
  const { output } = command;
  const month = options.month === undefined ? undefined : monthFrom(options.month);
  await billingOf(command, async (billing) => {
    const invoices = await allInvoices(billing, options.tenant, month);
    if (options.json) output.out(JSON.stringify(invoices.map(renderInvoice)));
    else if (invoices.length === 0) output.err('There are no invoices.');
    else {
      output.out(
        table(
          ['NUMBER', 'TENANT', 'MONTH', 'KIND', 'STATUS', 'DUE', 'TOTAL', 'CURRENCY', 'ID'],
          invoices.map(({ number, tenant, period, kind, status, dueDate, total, currency, id }) => [
            ...[number ?? '', tenant, period, kind.replace('_', ' '), status, dueDate ?? ''],
            ...[total, currency, id],
          ]),
        ),
      );
    }
  });
}

async function allInvoices(
  { invoices }: Loaded,
  tenant: string | undefined,
  period: string | undefined,
): Promise<Invoice[]> {
  const all: Invoice[] = [];
  for (;;) {
    const last = all.at(-1);
    const after = last && { at: last.createdAt, id: last.id };
    const page = await invoices.list({ tenant, period, limit: PAGE, after });
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

/** Writes one invoice as JSON, CSV or PDF. */
export async function showInvoiceCommand(
  command: StoreCommand,
  idOrNumber: string,
  format: string,
  file: string | undefined,
): Promise<void> {
  const { output } = command;
  await billingOf(command, async (billing) => {
    const found = await billing.invoices.find(idOrNumber);
    if (!found) throw new CommandError(`There is no invoice ${JSON.stringify(idOrNumber)}.`);
    const { document, status, hash } = found;
    if (format === 'pdf') {
      const name = file ?? `${found.number ?? found.id}.pdf`.replaceAll('/', '-');
      writeFileSync(name, await billing.print({ document, status, hash }));
      output.err(`Wrote ${name}.`);
      return;
    }
    if (format !== 'json' && format !== 'csv') throw new CommandError('--format must be json, csv or pdf.');
    const text =
      format === 'csv'
        ? invoiceCsv(document, csvField).trimEnd()
        : JSON.stringify({ ...renderInvoice(found), document });
    if (file === undefined) output.out(text);
    else writeFileSync(file, `${text}\n`);
  });
}

export interface ExportOptions {
  readonly format: string;
  readonly month: string | undefined;
  readonly tenant: string | undefined;
  readonly file: string | undefined;
  readonly push: string | undefined;
  readonly keyEnv: string;
}

/** Prints issued invoices for another billing system as lines of JSON, writes them to a file, or sends them. */
export async function exportCommand(command: StoreCommand, options: ExportOptions): Promise<void> {
  const { output, env } = command;
  const format = EXPORT_FORMATS.find((one) => one === options.format);
  if (!format) throw new CommandError(`--format must be one of: ${EXPORT_FORMATS.join(', ')}.`);
  const month = options.month === undefined ? undefined : monthFrom(options.month);
  const { push, file, tenant } = options;
  if (push !== undefined && !/^https?:\/\//.test(push))
    throw new CommandError('--push must be an http or https URL.');
  await billingOf(command, async (billing) => {
    const records = exportRecords(format, (await allInvoices(billing, tenant, month)).reverse());
    if (push !== undefined) {
      let sent = 0;
      try {
        await pushRecords(
          format,
          records,
          { url: push, key: env[options.keyEnv] || undefined },
          {
            clock: systemClock,
            post: guardedPost,
            allowPrivate: env.WEIR_WEBHOOKS_ALLOW_PRIVATE === '1',
          },
          (count) => {
            sent = count;
          },
        );
      } catch (error) {
        if (!(error instanceof PushError)) throw error;
        const rest = 'Repeat the command: records that were accepted are not counted twice.';
        throw new CommandError(
          `${error.message}. ${sent} of ${records.length} records were accepted. ${rest}`,
        );
      }
      output.err(`Sent ${records.length} records.`);
      return;
    }
    const lines = records.map(({ record }) => JSON.stringify(record));
    if (file === undefined) {
      if (lines.length > 0) output.out(lines.join('\n'));
    } else {
      writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
      output.err(`Wrote ${records.length} records to ${file}.`);
    }
  });
}

/** Checks the hashes of issued documents, and that each series has every number. */
export async function verifyCommand(command: StoreCommand, json: boolean): Promise<void> {
  const { output } = command;
  await billingOf(command, async ({ invoices }) => {
    const { checked, problems } = await invoices.verify();
    if (json) output.out(JSON.stringify({ checked, problems }));
    else if (problems.length === 0) output.out(`${checked} documents: hashes and numbers are complete.`);
    if (problems.length > 0) throw new CommandError(problems.join('\n'));
  });
}
