import { z } from 'zod';
import { accountDocument, type BillingAccount } from '../../billing/billing-accounts.ts';
import { DEFAULT_LINES } from '../../billing/invoice-builder.ts';
import { INVOICE_KINDS, INVOICE_STATUSES, invoiceDocument } from '../../billing/invoice-document.ts';
import type { Invoice } from '../../billing/invoices.ts';
import { dayText } from '../../billing/month.ts';
import { type PriceListVersion, priceListDocument } from '../../billing/price-list.ts';
import { time, timeOrNull } from './paging.ts';

/** Objects of the billing API, and how they are rendered. */

export const newPriceList = z
  .strictObject({
    valid_from: dayText.describe('The first day, in the time zone of each tenant.'),
    ...priceListDocument.shape,
  })
  .meta({
    id: 'NewPriceList',
    example: {
      valid_from: '2026-12-01',
      currency: 'USD',
      margin: '15',
      rules: [
        { model: 'gpt-4o', prices: { input: '3.00', output: '12.00', cached_input: '1.50' } },
        {
          model: 'llama-*',
          prices: {
            output: {
              tiers: [
                { up_to: 1_000_000, price: '0' },
                { up_to: null, price: '0.80' },
              ],
            },
          },
        },
      ],
    },
  });

export const priceListObject = z
  .object({
    version: z.int(),
    valid_from: z.string(),
    created_at: z.string(),
    created_by: z.string(),
    ...priceListDocument.shape,
  })
  .meta({ id: 'PriceList' });

export const priceLists = z
  .object({ object: z.literal('list'), data: z.array(priceListObject) })
  .meta({ id: 'PriceLists' });

export function renderPriceList({ version, validFrom, createdAt, createdBy, document }: PriceListVersion) {
  return { version, valid_from: validFrom, created_at: time(createdAt), created_by: createdBy, ...document };
}

export const accountBody = accountDocument.meta({
  id: 'BillingAccountChange',
  example: {
    name: 'Acme GmbH',
    address: ['Bahnhofstrasse 1', '8001 Zürich'],
    email: 'finance@acme.example',
    lines: ['model', 'key'],
  },
});
export const accountObject = z
  .object({ tenant: z.string(), ...accountDocument.shape })
  .meta({ id: 'BillingAccount' });

export function renderAccount({ tenant, document }: BillingAccount): z.output<typeof accountObject> {
  return { tenant, ...document, lines: document.lines ?? [...DEFAULT_LINES] };
}

export const invoiceObject = z
  .object({
    id: z.string(),
    kind: z.enum(INVOICE_KINDS),
    tenant: z.string(),
    month: z.string(),
    status: z.enum(INVOICE_STATUSES),
    number: z.string().nullable().describe('Null for drafts.'),
    credits: z.string().nullable().describe('Of a credit note: the id of the invoice.'),
    currency: z.string(),
    total: z.string().describe('Tax included.'),
    hash: z.string().nullable().describe('SHA-256 of the document; null for drafts.'),
    due_date: z.string().nullable(),
    created_at: z.string(),
    issued_at: z.string().nullable(),
    paid_at: z.string().nullable(),
    voided_at: z.string().nullable(),
    sent_at: z.string().nullable(),
    note: z.string().nullable().describe('Why it was voided, or how it was paid.'),
  })
  .meta({ id: 'Invoice' });

export function renderInvoice(invoice: Invoice): z.output<typeof invoiceObject> {
  return {
    ...{ id: invoice.id, kind: invoice.kind, tenant: invoice.tenant, month: invoice.period },
    ...{ status: invoice.status, number: invoice.number, credits: invoice.refersTo },
    ...{ currency: invoice.currency, total: invoice.total, hash: invoice.hash, due_date: invoice.dueDate },
    created_at: time(invoice.createdAt),
    issued_at: timeOrNull(invoice.issuedAt),
    paid_at: timeOrNull(invoice.paidAt),
    voided_at: timeOrNull(invoice.voidedAt),
    sent_at: timeOrNull(invoice.sentAt),
    note: invoice.note,
  };
}

export const wholeInvoice = invoiceObject
  .extend({ document: invoiceDocument })
  .meta({ id: 'InvoiceWithDocument' });

export const previewObject = z
  .object({ object: z.literal('invoice_preview'), tenant: z.string(), document: invoiceDocument })
  .meta({ id: 'InvoicePreview' });
