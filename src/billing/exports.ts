import { minorPlaces } from './currency.ts';
import { Exact } from './exact.ts';
import type { InvoiceLine } from './invoice-document.ts';
import type { Invoice } from './invoices.ts';

/** What other billing systems import. */
export const EXPORT_FORMATS = ['stripe-meter-events', 'stripe-invoice-items', 'lago', 'openmeter'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportRecord {
  /** The same in each export of an invoice, so that the receiver drops repetitions. At most 100 characters. */
  readonly id: string;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Quantities that meters count, by the name of the meter. */
const METERS = {
  requests: 'requests',
  input_tokens: 'input_tokens',
  cached_tokens: 'cached_input_tokens',
  cache_write_tokens: 'cache_write_tokens',
  output_tokens: 'output_tokens',
} as const;

/**
 * Exports issued invoices: usage as events of meters, or lines as invoice items. Late usage is in the export of the invoice that
 * contains it, so exports of different invoices never overlap.
 *
 * @param invoices void ones and drafts are left out; credit notes are exported as invoice items only
 * @see https://docs.stripe.com/api/billing/meter-event, https://docs.stripe.com/api/invoiceitems,
 *   https://getlago.com/docs/api-reference/events/batch, https://cloudevents.io
 */
export function exportRecords(format: ExportFormat, invoices: readonly Invoice[]): ExportRecord[] {
  const issued = invoices.filter(({ hash, status }) => hash !== null && status !== 'void');
  if (format === 'stripe-invoice-items') return issued.flatMap(invoiceItems);
  return issued.filter(({ kind }) => kind === 'invoice').flatMap((invoice) => meterEvents(format, invoice));
}

function meterEvents(
  format: Exclude<ExportFormat, 'stripe-invoice-items'>,
  invoice: Invoice,
): ExportRecord[] {
  return invoice.document.lines.flatMap((line) =>
    Object.entries(METERS).flatMap(([sum, meter]): ExportRecord[] => {
      const value = line.usage?.[sum] ?? '0';
      if (value === '0') return [];
      const id = `${invoice.id}-${line.number}-${meter}`;
      return [{ id, record: meterEvent(format, id, meter, value, invoice, line) }];
    }),
  );
}

function meterEvent(
  format: Exclude<ExportFormat, 'stripe-invoice-items'>,
  id: string,
  meter: string,
  value: string,
  { document }: Invoice,
  line: InvoiceLine,
): Record<string, unknown> {
  // The last moment of the usage: it has to be within the billing period of the receiver.
  const at = Date.parse(line.to ?? document.period.to) - 1_000;
  const customer = customerOf(document.customer);
  const facts = {
    model: line.model ?? '',
    key: line.key?.id ?? '',
    user: line.user?.id ?? '',
    tenant: document.customer.tenant,
    invoice: document.number ?? '',
  };
  switch (format) {
    case 'stripe-meter-events':
      return {
        event_name: `weir_${meter}`,
        payload: { stripe_customer_id: customer, value, model: facts.model, key: facts.key },
        identifier: id,
        timestamp: Math.floor(at / 1_000),
      };
    case 'lago':
      return {
        transaction_id: id,
        external_subscription_id: customer,
        code: `weir_${meter}`,
        timestamp: Math.floor(at / 1_000),
        properties: { value, ...facts },
      };
    case 'openmeter':
      return {
        ...{ specversion: '1.0', id, source: 'weir', type: `weir.${meter}`, subject: customer },
        ...{ time: new Date(at).toISOString(), datacontenttype: 'application/json' },
        data: { value, ...facts },
      };
  }
}

function invoiceItems(invoice: Invoice): ExportRecord[] {
  const { document } = invoice;
  const places = minorPlaces(document.currency);
  return document.lines.flatMap((line): ExportRecord[] => {
    const amount = Exact.parse(line.amount).round(places);
    if (amount === 0n) return [];
    const id = `${invoice.id}-${line.number}`;
    const second = (iso: string) => Math.floor(Date.parse(iso) / 1_000);
    return [
      {
        id,
        record: {
          customer: customerOf(document.customer),
          // An integer of the smallest unit, as the API wants it; larger ones do not occur.
          amount: Number(amount),
          currency: document.currency.toLowerCase(),
          description: [
            line.description,
            line.key?.name ?? line.key?.id,
            line.late_for && `late ${line.late_for}`,
          ]
            .filter(Boolean)
            .join(', ')
            .slice(0, 500),
          period: {
            start: second(line.from ?? document.period.from),
            end: second(line.to ?? document.period.to),
          },
          metadata: { weir_invoice: document.number ?? '', weir_line: String(line.number) },
        },
      },
    ];
  });
}

function customerOf({
  external_id,
  tenant,
}: {
  external_id?: string | null | undefined;
  tenant: string;
}): string {
  return external_id ?? tenant;
}
