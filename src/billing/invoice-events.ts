import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';
import type { InvoiceKind } from './invoice-document.ts';

export type InvoiceEventName = 'invoice.issued' | 'invoice.paid' | 'invoice.voided';

/** What events of invoices contain. */
export interface InvoiceFacts {
  readonly id: string;
  readonly kind: InvoiceKind | string;
  readonly tenant: string;
  readonly month: string;
  readonly currency: string;
  readonly total: string;
  readonly status: string;
  readonly number: string | null;
  readonly dueDate: string | null;
}

/** Records events of invoices with the change that they report. */
export interface InvoiceEvents {
  record(
    transaction: ControlTransaction,
    name: InvoiceEventName,
    facts: InvoiceFacts,
    by: ChangeContext,
  ): Promise<void>;
}
