import type { Kysely } from 'kysely';
import type { Calendar } from '../limits/calendar.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import type { ChangeContext, Sources } from '../tenancy/change-context.ts';
import type { BillingAccount, BillingAccounts } from './billing-accounts.ts';
import type { InvoiceEvents } from './invoice-events.ts';
import type { Invoices } from './invoices.ts';
import { addDays, dayAt, monthAt, monthBefore, monthIn } from './month.ts';
import type { MonthClose } from './month-close.ts';
import type { BillingSettings } from './settings.ts';

const DAY_MS = 86_400_000;
/** Invoices that have been overdue for longer were reported before. */
const OVERDUE_DAYS = 7;

export interface AutomaticCloseOptions {
  readonly control: Kysely<ControlTables>;
  readonly sources: Sources;
  readonly settings: () => BillingSettings;
  readonly accounts: BillingAccounts;
  readonly months: MonthClose;
  readonly invoices: Invoices;
  readonly events: InvoiceEvents;
  readonly calendar: Calendar;
}

/** Closes months at their time, and those of tenants that are deleted. */
export class AutomaticClose {
  constructor(private readonly options: AutomaticCloseOptions) {}

  /**
   * Closes the last month of a tenant when `billing.close_after` has passed since its end. A month that has an invoice is left
   * alone, also when that was voided: an operator decides what follows.
   *
   * @returns whether an invoice was made or issued
   * @throws GatewayError where a setting is missing; the database's error
   */
  async visit(tenant: string, by: ChangeContext): Promise<boolean> {
    const { accounts, sources, calendar } = this.options;
    const { closeAfterMs } = this.options.settings();
    const account = await accounts.get(tenant);
    const now = sources.clock.wallTime();
    const month = monthIn(
      calendar,
      monthBefore(monthAt(calendar, now, account.timeZone).id),
      account.timeZone,
    );
    if (now < month.end + closeAfterMs || account.createdAt >= month.end) return false;
    return this.#close(account, month.id, by, false);
  }

  /** Closes the last and the running month of a tenant that will be deleted. @throws as `visit` */
  async final(tenant: string, by: ChangeContext): Promise<void> {
    const { accounts, sources, calendar } = this.options;
    const account = await accounts.get(tenant);
    const { id } = monthAt(calendar, sources.clock.wallTime(), account.timeZone);
    await this.#close(account, monthBefore(id), by, false);
    await this.#close(account, id, by, true);
  }

  /** Reports invoices that became overdue, each once. @returns their number */
  async reportOverdue(): Promise<number> {
    const { control, sources, calendar, events } = this.options;
    const now = sources.clock.wallTime();
    const today = dayAt(calendar, now, this.options.settings().timeZone);
    const rows = await control
      .selectFrom('billing_invoices')
      .select(['id', 'tenant', 'number', 'currency', 'total', 'due_date'])
      .where('status', '=', 'open')
      .where('due_date', '<', today)
      .where('due_date', '>=', addDays(today, -OVERDUE_DAYS))
      .execute();
    let count = 0;
    for (const { due_date, ...row } of rows) {
      const isNew = await events.overdue({ ...row, dueDate: due_date }, now + 2 * OVERDUE_DAYS * DAY_MS);
      if (isNew) count += 1;
    }
    return count;
  }

  async #close(account: BillingAccount, month: string, by: ChangeContext, ended: boolean): Promise<boolean> {
    const { months, invoices } = this.options;
    const known = await this.#rowOf(account, month);
    if (known && known.status !== 'draft') return false;
    const closed = known
      ? { id: known.id, isEmpty: false }
      : await months.close(account.tenant, month, by, ended);
    if (closed.isEmpty) return false;
    const { close, issuer } = this.options.settings();
    // A draft that an operator has made is an operator's to issue.
    if (close === 'issue' && issuer && !known) await invoices.issue(closed.id, undefined, by);
    return !known;
  }

  async #rowOf(
    { account }: BillingAccount,
    month: string,
  ): Promise<{ readonly id: string; readonly status: string } | undefined> {
    return this.options.control
      .selectFrom('billing_invoices')
      .select(['id', 'status'])
      .where('account', '=', account)
      .where('period', '=', month)
      .where('kind', '=', 'invoice')
      .executeTakeFirst();
  }
}
