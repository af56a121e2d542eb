import { GatewayError } from '../core/errors.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';
import type { BillingAccounts } from './billing-accounts.ts';
import type { Invoice, Invoices } from './invoices.ts';
import type { MonthClose } from './month-close.ts';

export interface CloseRequest {
  /** `2026-11`. */
  readonly month: string;
  /** Undefined for every tenant. */
  readonly tenant?: string | undefined;
  readonly dry_run: boolean;
  /** Issues the invoices. */
  readonly issue: boolean;
}

/** What closing a month did for one tenant. */
export interface CloseRow {
  readonly tenant: string;
  /** Id; null where there is none. */
  readonly invoice: string | null;
  readonly created: boolean;
  readonly number: string | null;
  readonly status: string | null;
  readonly currency: string | null;
  readonly total: string | null;
  readonly error: string | null;
}

const NONE = { invoice: null, created: false, number: null, status: null, currency: null, total: null };

/** Closes a month of one tenant or of all. */
export class CloseRun {
  constructor(
    private readonly accounts: BillingAccounts,
    private readonly months: MonthClose,
    private readonly invoices: Invoices,
  ) {}

  /**
   * @returns a row for each tenant; a tenant whose month cannot be closed does not stop the others
   * @throws GatewayError for the one tenant that was asked for; the database's error
   */
  async run(request: CloseRequest, by: ChangeContext): Promise<CloseRow[]> {
    if (request.tenant !== undefined) return [await this.#one(request.tenant, request, by)];
    const rows: CloseRow[] = [];
    for (const tenant of await this.accounts.tenants()) {
      try {
        rows.push(await this.#one(tenant, request, by));
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        rows.push({ ...NONE, tenant, error: error.message });
      }
    }
    return rows;
  }

  async #one(tenant: string, { month, dry_run, issue }: CloseRequest, by: ChangeContext): Promise<CloseRow> {
    if (dry_run) {
      const { document, total, isEmpty } = await this.months.calculate(tenant, month);
      const shown = isEmpty ? {} : { currency: document.currency, total, status: 'draft' };
      return { ...NONE, tenant, ...shown, error: null };
    }
    const { id, created, isEmpty } = await this.months.close(tenant, month, by);
    if (isEmpty) return { ...NONE, tenant, created, error: null };
    let invoice = await this.invoices.get(id);
    if (issue && invoice.status === 'draft') invoice = await this.#issue(id, by);
    const { number, status, currency, total } = invoice;
    return { tenant, invoice: id, created, number, status, currency, total, error: null };
  }

  /** Issues a draft, or returns what another process has issued in the meantime. */
  async #issue(id: string, by: ChangeContext): Promise<Invoice> {
    try {
      return await this.invoices.issue(id, undefined, by);
    } catch (error) {
      const invoice = await this.invoices.get(id);
      if (invoice.status === 'draft') throw error;
      return invoice;
    }
  }
}
