import type { Kysely, Selectable } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { NewEvent } from '../events/stored-event.ts';
import type { Calendar } from '../limits/calendar.ts';
import { sha256Hex } from '../platform/hash.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { parseDocument } from '../tenancy/documents.ts';
import { assertVersion, type SeenVersion } from '../tenancy/versions.ts';
import { billingChange } from './billing-change.ts';
import { type CreditRequest, creditNote } from './credit-note.ts';
import { Exact } from './exact.ts';
import { issuerOf } from './invoice-builder.ts';
import {
  INVOICE_STATUSES,
  type InvoiceDocument,
  type InvoiceKind,
  type InvoiceStatus,
  invoiceDocument,
} from './invoice-document.ts';
import { creditNoteEvent, type InvoiceEvents, type InvoiceFacts, invoiceEvent } from './invoice-events.ts';
import { addDays, dayAt } from './month.ts';
import { chainSeries, nextInSeries, seriesOf } from './number-series.ts';
import type { BillingSettings } from './settings.ts';
import { verifyInvoices } from './verification.ts';

type InvoiceRow = Selectable<ControlTables['billing_invoices']>;

/** A stored invoice or credit note. Times are Unix milliseconds. */
export interface Invoice {
  readonly id: string;
  readonly kind: InvoiceKind;
  readonly tenant: string;
  readonly period: string;
  readonly status: InvoiceStatus;
  readonly number: string | null;
  readonly refersTo: string | null;
  readonly currency: string;
  readonly total: string;
  readonly document: InvoiceDocument;
  readonly hash: string | null;
  readonly version: number;
  readonly createdAt: number;
  readonly issuedAt: number | null;
  readonly dueDate: string | null;
  readonly paidAt: number | null;
  readonly voidedAt: number | null;
  readonly note: string | null;
  readonly sentAt: number | null;
}

export interface InvoiceFilter {
  readonly tenant?: string | undefined;
  readonly period?: string | undefined;
  readonly status?: InvoiceStatus | undefined;
  /** Without drafts. */
  readonly issuedOnly?: boolean | undefined;
  readonly limit: number;
  /** The last invoice of the previous page. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

export interface InvoicesOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly settings: () => BillingSettings;
  readonly calendar: Calendar;
  readonly events: InvoiceEvents;
}

/** Reads invoices and credit notes, and changes their status. Methods reject with GatewayError or the database's error. */
export class Invoices {
  constructor(private readonly options: InvoicesOptions) {}

  /** @returns invoices, the newest first */
  async list({ tenant, period, status, issuedOnly, limit, after }: InvoiceFilter): Promise<Invoice[]> {
    const rows = await this.options.control
      .selectFrom('billing_invoices')
      .selectAll()
      .where('status', 'in', status ? [status] : [...INVOICE_STATUSES])
      .$if(issuedOnly === true, (query) => query.where('hash', 'is not', null))
      .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
      .$if(period !== undefined, (query) => query.where('period', '=', period ?? ''))
      .$if(after !== undefined, (query) =>
        query.where(({ eb, and, or }) =>
          or([
            eb('created_at', '<', after?.at ?? 0),
            and([eb('created_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
          ]),
        ),
      )
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(invoiceOf);
  }

  /** @param tenant only of this tenant. @throws GatewayError `not_found` */
  async get(id: string, tenant?: string): Promise<Invoice> {
    const row = await this.#row(this.options.control, id);
    if (tenant !== undefined && row.tenant !== tenant) throw notFound();
    return invoiceOf(row);
  }

  /** @param idOrNumber an id, or the number of an issued document. @returns undefined when there is none */
  async find(idOrNumber: string): Promise<Invoice | undefined> {
    const row = await this.options.control
      .selectFrom('billing_invoices')
      .selectAll()
      .where(({ eb, or }) => or([eb('id', '=', idOrNumber), eb('number', '=', idOrNumber)]))
      .where('status', '<>', 'empty')
      .executeTakeFirst();
    return row && invoiceOf(row);
  }

  /** Checks what cannot change: hashes of issued documents, their chain, and the numbers of each series. */
  verify(): Promise<{ checked: number; problems: string[] }> {
    return verifyInvoices(this.options.control);
  }

  /**
   * Issues a draft: it gets its number and never changes again.
   *
   * @throws GatewayError `not_found`, `precondition_failed`, `conflict` when it is not a draft or the issuer is not configured
   */
  async issue(id: string, seen: SeenVersion, by: ChangeContext): Promise<Invoice> {
    await this.#change(id, seen, by, 'invoice.issue', async (transaction, row) => {
      assertStatus(row, ['draft']);
      const facts = await this.#issue(transaction, row);
      const isPaid = Exact.parse(row.total).isZero;
      return [
        invoiceEvent('invoice.issued', facts, by),
        ...(isPaid ? [invoiceEvent('invoice.paid', facts, by)] : []),
      ];
    });
    return this.get(id);
  }

  /** @throws GatewayError `not_found`, `precondition_failed`, `conflict` when it is not open */
  async pay(id: string, note: string | undefined, seen: SeenVersion, by: ChangeContext): Promise<Invoice> {
    await this.#change(id, seen, by, 'invoice.pay', async (transaction, row) => {
      assertStatus(row, ['open']);
      await this.#setStatus(transaction, row, 'paid', note);
      return [invoiceEvent('invoice.paid', factsOf(row), by)];
    });
    return this.get(id);
  }

  /**
   * Voids an open invoice. Its number stays used, and its month can be closed again.
   *
   * @throws GatewayError `not_found`, `precondition_failed`, `conflict` when it is not open or has credit notes
   */
  async void(id: string, reason: string, seen: SeenVersion, by: ChangeContext): Promise<Invoice> {
    await this.#change(id, seen, by, 'invoice.void', async (transaction, row) => {
      assertStatus(row, ['open']);
      if ((await creditsOf(transaction, id)).length > 0) {
        throw new GatewayError('conflict', 'This invoice has credit notes. Credit the rest instead.');
      }
      await this.#setStatus(transaction, row, 'void', reason);
      await touchAccount(transaction, row.account);
      return [invoiceEvent('invoice.voided', factsOf(row), by)];
    });
    return this.get(id);
  }

  /** Deletes a draft; its month is open again. @throws GatewayError `not_found`, `precondition_failed`, `conflict` */
  async discard(id: string, seen: SeenVersion, by: ChangeContext): Promise<void> {
    await this.#change(id, seen, by, 'invoice.discard', async (transaction, row) => {
      assertStatus(row, ['draft']);
      await transaction.deleteFrom('billing_usage').where('invoice', '=', id).execute();
      await transaction.deleteFrom('billing_invoices').where('id', '=', id).execute();
      await touchAccount(transaction, row.account);
      return [];
    });
  }

  /**
   * Issues a credit note for an invoice, or for parts of its lines.
   *
   * @throws GatewayError `not_found`, `conflict` when it is not issued, `invalid_request` for more than is left
   */
  async credit(id: string, wanted: CreditRequest, by: ChangeContext): Promise<Invoice> {
    const { sources } = this.options;
    const creditId = sources.newId('cn');
    await this.#change(id, undefined, by, 'invoice.credit', async (transaction, row) => {
      assertStatus(row, ['open', 'paid']);
      if (row.kind !== 'invoice') throw new GatewayError('conflict', 'Only invoices can be credited.');
      const earlier = (await creditsOf(transaction, id)).map(({ document }) => document);
      const document = creditNote({ id, document: invoiceOf(row).document }, earlier, wanted);
      const credit: InvoiceRow = {
        ...{ id: creditId, kind: 'credit_note', account: row.account, tenant: row.tenant },
        ...{ period: row.period, status: 'draft', number: null, series: null, sequence: null },
        ...{ refers_to: id, currency: row.currency, total: document.total, hash: null, version: 1 },
        ...{ document: JSON.stringify(document), created_at: sources.clock.wallTime(), issued_at: null },
        ...{ due_date: null, paid_at: null, voided_at: null, note: null, sent_at: null },
      };
      await transaction.insertInto('billing_invoices').values(credit).execute();
      const { number, total } = await this.#issue(transaction, credit);
      // Number and total are those of the credit note.
      return [creditNoteEvent({ ...factsOf(row), number, total }, creditId, by)];
    });
    return this.get(creditId);
  }

  /** Records that an invoice was sent. */
  async sent(id: string, to: string, by: ChangeContext): Promise<Invoice> {
    await this.#change(
      id,
      undefined,
      by,
      'invoice.send',
      async (transaction, row) => {
        assertStatus(row, ['open', 'paid']);
        await transaction
          .updateTable('billing_invoices')
          .set({ sent_at: this.options.sources.clock.wallTime(), version: row.version + 1 })
          .where('id', '=', id)
          .execute();
        return [];
      },
      { to },
    );
    return this.get(id);
  }

  async #issue(transaction: ControlTransaction, row: InvoiceRow): Promise<InvoiceFacts> {
    const { sources, calendar } = this.options;
    const settings = this.options.settings();
    if (!settings.issuer) {
      throw new GatewayError(
        'conflict',
        'Invoices have no issuer. Set `billing.issuer` with name and address.',
      );
    }
    const kind = kindOf(row);
    const draft = documentOf(row);
    const now = sources.clock.wallTime();
    const issueDate = dayAt(calendar, now, settings.timeZone);
    const dueDate = kind === 'invoice' ? await this.#dueDate(transaction, row, draft, issueDate) : issueDate;
    const series = seriesOf(settings.numbers[kind], issueDate);
    const { sequence, previousHash } = await nextInSeries(transaction, series.name);
    const number = series.write(sequence);
    const document: InvoiceDocument = {
      ...draft,
      ...{ number, issue_date: issueDate, due_date: dueDate, previous_hash: previousHash },
      issuer: issuerOf(settings),
    };
    const text = JSON.stringify(document);
    const hash = sha256Hex(text);
    // Nothing is left to pay.
    const isSettled = kind === 'credit_note' || Exact.parse(row.total).isZero;
    const status = isSettled ? 'paid' : 'open';
    await transaction
      .updateTable('billing_invoices')
      .set({
        ...{ status, number, series: series.name, sequence, document: text, hash },
        ...{ issued_at: now, due_date: dueDate, paid_at: isSettled ? now : null },
        version: row.version + 1,
      })
      .where('id', '=', row.id)
      .execute();
    await chainSeries(transaction, series.name, hash);
    return { ...factsOf(row), number, dueDate };
  }

  async #dueDate(
    transaction: ControlTransaction,
    { account }: InvoiceRow,
    { period }: InvoiceDocument,
    issueDate: string,
  ): Promise<string> {
    const stored = await transaction
      .selectFrom('billing_accounts')
      .select('document')
      .where('account', '=', account)
      .executeTakeFirst();
    const own: unknown = stored ? JSON.parse(stored.document) : {};
    const days = ownDueDays(own) ?? this.options.settings().dueDays;
    const lastDay = dayAt(this.options.calendar, Date.parse(period.to) - 1, period.time_zone);
    const due = addDays(lastDay, days);
    // An invoice that is issued late is not overdue at once.
    return due < issueDate ? issueDate : due;
  }

  async #setStatus(
    transaction: ControlTransaction,
    row: InvoiceRow,
    status: 'paid' | 'void',
    note: string | undefined,
  ): Promise<void> {
    const now = this.options.sources.clock.wallTime();
    await transaction
      .updateTable('billing_invoices')
      .set({
        ...{ status, version: row.version + 1, note: note ?? row.note },
        ...(status === 'paid' ? { paid_at: now } : { voided_at: now }),
      })
      .where('id', '=', row.id)
      .execute();
  }

  async #change(
    id: string,
    seen: SeenVersion,
    by: ChangeContext,
    action: string,
    work: (transaction: ControlTransaction, row: InvoiceRow) => Promise<NewEvent[]>,
    details: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const { control, sources, events } = this.options;
    await billingChange(control, async (transaction) => {
      // Locks the row: changes of one invoice run one after another.
      await transaction
        .updateTable('billing_invoices')
        .set(({ ref }) => ({ version: ref('version') }))
        .where('id', '=', id)
        .execute();
      const row = await this.#row(transaction, id);
      assertVersion(seen, row.version);
      const happened = await work(transaction, row);
      const facts = { tenant: row.tenant, month: row.period, total: row.total, currency: row.currency };
      await writeAudit(
        transaction,
        auditEntry(sources, by, action, `invoice:${id}`, { ...facts, ...details }),
      );
      await events.append(transaction, happened);
    });
    events.wake();
  }

  async #row(db: Kysely<ControlTables>, id: string): Promise<InvoiceRow> {
    const row = await db
      .selectFrom('billing_invoices')
      .selectAll()
      .where('id', '=', id)
      .where('status', '<>', 'empty')
      .executeTakeFirst();
    if (!row) throw notFound();
    return row;
  }
}

/** @returns issued credit notes of an invoice */
async function creditsOf(db: Kysely<ControlTables>, id: string): Promise<Invoice[]> {
  const rows = await db
    .selectFrom('billing_invoices')
    .selectAll()
    .where('refers_to', '=', id)
    .where('hash', 'is not', null)
    .where('status', '<>', 'void')
    .orderBy('created_at')
    .execute();
  return rows.map(invoiceOf);
}

/** Makes closes that have read the account's invoices before start again. */
async function touchAccount(transaction: ControlTransaction, account: string): Promise<void> {
  await transaction
    .updateTable('billing_accounts')
    .set(({ eb, ref }) => ({ changes: eb(ref('changes'), '+', 1) }))
    .where('account', '=', account)
    .execute();
}

function ownDueDays(document: unknown): number | undefined {
  if (typeof document !== 'object' || document === null || !('due_days' in document)) return undefined;
  return typeof document.due_days === 'number' ? document.due_days : undefined;
}

function factsOf({ id, tenant, currency, total, number, due_date }: InvoiceRow): InvoiceFacts {
  return { id, tenant, currency, total, number, dueDate: due_date };
}

function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is no such invoice.');
}

function assertStatus({ status }: InvoiceRow, allowed: readonly InvoiceStatus[]): void {
  if (allowed.some((one) => one === status)) return;
  throw new GatewayError(
    'conflict',
    `The status of this invoice is "${status}". This needs the status ${allowed.map((one) => `"${one}"`).join(' or ')}.`,
  );
}

function kindOf({ kind }: InvoiceRow): InvoiceKind {
  return kind === 'credit_note' ? 'credit_note' : 'invoice';
}

function documentOf({ id, document }: InvoiceRow): InvoiceDocument {
  return parseDocument(invoiceDocument, document, `invoice ${id}`);
}

function invoiceOf(row: InvoiceRow): Invoice {
  return {
    ...{ id: row.id, kind: kindOf(row), tenant: row.tenant, period: row.period },
    status: INVOICE_STATUSES.find((one) => one === row.status) ?? 'void',
    ...{ number: row.number, refersTo: row.refers_to, currency: row.currency, total: row.total },
    ...{ document: documentOf(row), hash: row.hash, version: row.version, createdAt: row.created_at },
    ...{ issuedAt: row.issued_at, dueDate: row.due_date, paidAt: row.paid_at, voidedAt: row.voided_at },
    ...{ note: row.note, sentAt: row.sent_at },
  };
}
