import type { Outbox } from '../events/outbox.ts';
import type { NewEvent } from '../events/stored-event.ts';
import type { ControlTransaction } from '../storage/sql/control-database.ts';
import type { ChangeContext } from '../tenancy/change-context.ts';

export type InvoiceEventName =
  | 'invoice.created'
  | 'invoice.issued'
  | 'invoice.paid'
  | 'invoice.voided'
  | 'invoice.overdue';

/** What events of invoices report. */
export interface InvoiceFacts {
  readonly id: string;
  readonly tenant: string;
  readonly number: string | null;
  readonly currency: string;
  /** A decimal. */
  readonly total: string;
  /** `2026-12-15`. */
  readonly dueDate: string | null;
}

/** Stores events of invoices with the change that they report. */
export class InvoiceEvents {
  constructor(private readonly outbox: Outbox) {}

  /** Call it last in the transaction. */
  async append(transaction: ControlTransaction, events: readonly NewEvent[]): Promise<void> {
    if (events.length > 0) await this.outbox.append(transaction, events);
  }

  /** Makes consumers receive committed events now. */
  wake(): void {
    this.outbox.wake();
  }

  /** Reports once that the due date of an invoice has passed. @param keepUntil Unix milliseconds */
  async overdue(invoice: InvoiceFacts, keepUntil: number): Promise<boolean> {
    const event = { type: 'invoice.overdue', tenant: invoice.tenant, data: invoiceData(invoice) } as const;
    return this.outbox.publishOnce(event, { key: `invoice.overdue:${invoice.id}`, keepUntil });
  }
}

/** @returns an event of an invoice */
export function invoiceEvent(name: InvoiceEventName, invoice: InvoiceFacts, by: ChangeContext): NewEvent {
  return { type: name, tenant: invoice.tenant, data: invoiceData(invoice), ...origin(by) };
}

/** @param invoice the invoice that the credit note is for */
export function creditNoteEvent(invoice: InvoiceFacts, creditNote: string, by: ChangeContext): NewEvent {
  const data = { ...invoiceData(invoice), credit_note: creditNote };
  return { type: 'credit_note.issued', tenant: invoice.tenant, data, ...origin(by) };
}

function origin({ actor, requestId }: ChangeContext) {
  return { actor: actor.id, requestId };
}

function invoiceData({ id, number, total, currency, dueDate }: InvoiceFacts) {
  const due_at = dueDate === null ? null : Date.parse(`${dueDate}T00:00:00Z`);
  return { invoice: id, number, total, currency, due_at };
}
