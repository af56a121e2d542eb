import type { Kysely } from 'kysely';
import { GatewayError } from '../core/errors.ts';
import type { Calendar } from '../limits/calendar.ts';
import { writeAudit } from '../storage/sql/audit-chain.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { auditEntry, type ChangeContext, type Sources } from '../tenancy/change-context.ts';
import { type BilledContent, readBilled, writeBilled } from './billed-usage.ts';
import type { BillingAccount, BillingAccounts } from './billing-accounts.ts';
import { billingChange } from './billing-change.ts';
import { billingError } from './billing-errors.ts';
import { COST_CURRENCY } from './currency.ts';
import { decimalOf } from './exact.ts';
import type { InfrastructureCosts } from './infrastructure-costs.ts';
import { DEFAULT_LINES, draftInvoice } from './invoice-builder.ts';
import type { InvoiceDocument } from './invoice-document.ts';
import { type InvoiceEvents, invoiceEvent } from './invoice-events.ts';
import { type BillingMonth, monthAfter, monthBefore, monthIn } from './month.ts';
import { chargeLate, chargeMonth } from './month-charges.ts';
import type { BillingSettings } from './settings.ts';
import type { TenantMonths } from './tenant-months.ts';
import { totalOf } from './usage-slice.ts';

export interface MonthCloseOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly settings: () => BillingSettings;
  readonly accounts: BillingAccounts;
  readonly months: TenantMonths;
  readonly costs: InfrastructureCosts;
  readonly calendar: Calendar;
  readonly events: InvoiceEvents;
}

/** The draft of an invoice, with what it bills. */
export interface CalculatedMonth {
  readonly account: BillingAccount;
  readonly document: InvoiceDocument;
  /** A decimal. */
  readonly total: string;
  readonly content: BilledContent;
  /** Nothing was used, and nothing is charged. */
  readonly isEmpty: boolean;
}

export interface ClosedMonth {
  /** Id of the invoice. */
  readonly id: string;
  /** False when the month was closed before. */
  readonly created: boolean;
  /** Nothing was charged, so there is no invoice to issue. */
  readonly isEmpty: boolean;
}

/** A close whose usage another one has billed meanwhile is calculated again. */
const MAX_TRIES = 5;

/** Calculates and closes months of tenants. */
export class MonthClose {
  constructor(private readonly options: MonthCloseOptions) {}

  /** @returns the month in the time zone of the tenant. @throws GatewayError `not_found` */
  async monthOf(tenant: string, month: string): Promise<{ account: BillingAccount; month: BillingMonth }> {
    const account = await this.options.accounts.get(tenant);
    return { account, month: monthIn(this.options.calendar, month, account.timeZone) };
  }

  /**
   * Calculates the invoice of a month as of now, and stores nothing.
   *
   * @param month may be running
   * @param user only the usage of this member, without late usage and infrastructure
   * @throws GatewayError `not_found`, `conflict` where a setting is missing
   */
  async calculate(tenant: string, id: string, user?: string): Promise<CalculatedMonth> {
    const { account, month } = await this.monthOf(tenant, id);
    return this.#calculate(account, month, { user, isFinal: false });
  }

  /**
   * Closes a month: stores its invoice as a draft, once, however many processes do it at the same time.
   *
   * @param ended the tenant ends now: its running month is closed too
   * @throws GatewayError `not_found`, `conflict` for a month that is not over or where a setting is missing
   */
  async close(tenant: string, id: string, by: ChangeContext, ended = false): Promise<ClosedMonth> {
    const { control, sources, accounts, events } = this.options;
    const { account, month } = await this.monthOf(tenant, id);
    if (!ended && month.end > sources.clock.wallTime()) {
      const end = new Date(month.end).toISOString();
      throw new GatewayError(
        'conflict',
        `The month ${id} of "${tenant}" ends at ${end}. Close it after that; \`preview\` shows it now.`,
        { param: 'month' },
      );
    }
    for (let attempt = 1; ; attempt += 1) {
      const known = await this.#invoiceOf(account.account, id);
      if (known) return { ...known, created: false };
      const current = await accounts.get(tenant);
      const calculated = await this.#calculate(current, month, { isFinal: true });
      const invoice = sources.newId('inv');
      const isStored = await billingChange(control, async (transaction) => {
        const locked = await accounts.lock(transaction, tenant);
        // Another close or void has changed what is billed since it was read.
        if (locked.account !== current.account || locked.changes !== current.changes) return false;
        const { document, total, content, isEmpty } = calculated;
        const now = sources.clock.wallTime();
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto('billing_invoices')
          .values({
            ...{ id: invoice, kind: 'invoice', account: current.account, tenant, period: id },
            ...{ status: isEmpty ? 'empty' : 'draft', currency: document.currency, total },
            ...{ document: JSON.stringify(document), version: 1, created_at: now },
          })
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirstOrThrow();
        if (numInsertedOrUpdatedRows !== 1n) return false;
        await writeBilled(transaction, invoice, current.account, content);
        await transaction
          .updateTable('billing_accounts')
          .set({ changes: locked.changes + 1 })
          .where('account', '=', current.account)
          .execute();
        const facts = {
          id: invoice,
          tenant,
          number: null,
          currency: document.currency,
          total,
          dueDate: null,
        };
        const details = { month: id, total, currency: document.currency, empty: isEmpty };
        await writeAudit(
          transaction,
          auditEntry(sources, by, 'invoice.create', `invoice:${invoice}`, details),
        );
        await events.append(transaction, isEmpty ? [] : [invoiceEvent('invoice.created', facts, by)]);
        return true;
      });
      if (isStored) events.wake();
      if (isStored) return { id: invoice, created: true, isEmpty: calculated.isEmpty };
      if (attempt === MAX_TRIES) {
        throw new GatewayError(
          'conflict',
          `Other changes of "${tenant}" prevented the close. Retry in 1 s.`,
          {
            retryAfterSeconds: 1,
          },
        );
      }
    }
  }

  /** @returns the invoice that closes a month; undefined for an open month */
  async #invoiceOf(account: string, period: string): Promise<Omit<ClosedMonth, 'created'> | undefined> {
    const row = await this.options.control
      .selectFrom('billing_invoices')
      .select(['id', 'status'])
      .where('account', '=', account)
      .where('period', '=', period)
      .where('kind', '=', 'invoice')
      .where('status', '<>', 'void')
      .executeTakeFirst();
    return row && { id: row.id, isEmpty: row.status === 'empty' };
  }

  /** @param isFinal the result is stored, so shares of infrastructure costs become final */
  async #calculate(
    account: BillingAccount,
    calendarMonth: BillingMonth,
    { user, isFinal }: { readonly user?: string | undefined; readonly isFinal: boolean },
  ): Promise<CalculatedMonth> {
    const { control, months, sources, costs } = this.options;
    const settings = this.options.settings();
    const knownAt = sources.clock.wallTime();
    const known = await readBilled(control, account.account);
    const month = joinedTo(calendarMonth, known);
    const prices = await months.pricesOf(account);
    const periods = months.periodsOf(prices, month, month.timeZone, knownAt);
    const starts = periods.map(({ start }) => start);
    const slices = await months.slices(account, starts, month.end, user);
    const contents = user === undefined ? known : [];
    const late = await months.late(
      account,
      contents.filter(({ months: [own] }) => own?.month !== month.id),
    );
    const all = [...slices, ...late.flatMap((one) => one.late)];
    const names = await months.namesOf(account, all);
    const currency = periods.at(-1)?.prices.currency ?? COST_CURRENCY;
    const terms = {
      ...{ currency, rates: settings.exchangeRates },
      lines: account.document.lines ?? DEFAULT_LINES,
    };
    try {
      const shared =
        user === undefined
          ? await costs.linesOf(account, month, { contents, currency, isFinal })
          : { lines: [], ids: [] };
      const lines = [
        ...chargeMonth(slices, { ...terms, month: month.id, periods }, names),
        ...late.flatMap(({ month: closed, billed, late: more }) => {
          const then = months.periodsAt(prices, closed, closed.timeZone);
          return chargeLate(more, billed, { ...terms, month: closed.month, periods: then }, names);
        }),
        ...shared.lines,
      ];
      const usage = totalOf(all);
      const { id, start, end, timeZone } = month;
      const ownMonth = { month: id, start, end, timeZone };
      const { document, total } = draftInvoice({ account, settings, month, currency, lines, usage });
      return {
        account,
        document,
        total: decimalOf(total.total, total.places),
        content: {
          months: [
            { ...ownMonth, starts, knownAt, slices },
            ...late.map((one) => ({ ...one.month, slices: one.late })),
          ],
          costs: shared.ids,
        },
        isEmpty: lines.length === 0,
      };
    } catch (error) {
      throw billingError(error);
    }
  }
}

/**
 * A month begins where the invoice of the month before ended, and ends where that of the next one begins: a tenant whose
 * time zone changed in between is charged for each hour once.
 */
function joinedTo(month: BillingMonth, contents: readonly BilledContent[]): BillingMonth {
  const invoiced = (id: string) => contents.find(({ months: [own] }) => own?.month === id)?.months[0];
  const start = invoiced(monthBefore(month.id))?.end ?? month.start;
  const end = invoiced(monthAfter(month.id))?.start ?? month.end;
  return { ...month, start, end: Math.max(start, end) };
}
