import { z } from 'zod';
import { LINE_DIMENSIONS } from './rating.ts';

/** What an invoice says. It is stored as text and never changes after issue. Amounts are decimals. */

export const INVOICE_STATUSES = ['draft', 'open', 'paid', 'void'] as const;
export type InvoiceStatus = (typeof INVOICE_STATUSES)[number];
export const INVOICE_KINDS = ['invoice', 'credit_note'] as const;
export type InvoiceKind = (typeof INVOICE_KINDS)[number];
export const LINE_TYPES = [
  'usage',
  'discount',
  'free_allowance',
  'minimum',
  'adjustment',
  'infrastructure',
  'credit',
] as const;

const named = z.object({ id: z.string(), name: z.string().nullable() });

const party = z.object({
  name: z.string(),
  address: z.array(z.string()),
  email: z.string().nullable(),
  vat_id: z.string().nullable(),
});

export const invoiceLine = z.object({
  number: z.int().describe('From 1.'),
  type: z.enum(LINE_TYPES),
  description: z.string(),
  late_for: z
    .string()
    .nullable()
    .describe('The closed month that it belongs to, for usage that arrived after the close.'),
  from: z.string().nullable(),
  to: z.string().nullable(),
  model: z.string().nullable(),
  key: named.nullable(),
  user: named.nullable(),
  price_list: z.string().nullable().describe('Version of the price list, such as `default/3`.'),
  tax_class: z.string(),
  usage: z
    .record(z.string(), z.string())
    .nullable()
    .describe('What was used: integers; `cost_usd` is what providers cost.'),
  parts: z.array(
    z.object({
      unit: z.string(),
      quantity: z.string().nullable(),
      price: z.string().describe('Of `per` units; of a cost: its factor.'),
      per: z.string(),
      amount_exact: z.string(),
    }),
  ),
  amount_exact: z.string().describe('Before rounding; with up to 12 decimals.'),
  amount: z.string().describe('Rounded so that all lines add up to the subtotal.'),
});
export type InvoiceLine = z.output<typeof invoiceLine>;

export const invoiceTax = z.object({
  name: z.string(),
  tax_class: z.string(),
  rate: z.string().describe('Percent.'),
  base: z.string(),
  amount: z.string(),
});
export type InvoiceTax = z.output<typeof invoiceTax>;

export const invoiceDocument = z.object({
  schema: z.literal(1),
  kind: z.enum(INVOICE_KINDS),
  number: z.string().nullable().describe('Null until it is issued.'),
  credits: z
    .object({ id: z.string(), number: z.string() })
    .nullable()
    .describe('The invoice that a credit note is for.'),
  reason: z.string().nullable(),
  issuer: party.extend({ payment: z.array(z.string()) }),
  customer: party.extend({
    tenant: z.string(),
    reference: z.string().nullable(),
    external_id: z.string().nullable().optional(),
  }),
  period: z.object({ month: z.string(), from: z.string(), to: z.string(), time_zone: z.string() }),
  issue_date: z.string().nullable(),
  due_date: z.string().nullable(),
  currency: z.string(),
  exchange_rates: z.record(z.string(), z.string()).describe('Units for one US dollar that were used.'),
  split_by: z.array(z.enum(LINE_DIMENSIONS)),
  lines: z.array(invoiceLine),
  subtotal: z.string(),
  taxes: z.array(invoiceTax),
  tax: z.string(),
  total: z.string(),
  reverse_charge: z.boolean(),
  rounding: z.object({
    rule: z.string(),
    subtotal_exact: z.string(),
    difference: z.string().describe('The rounded subtotal less the exact one.'),
  }),
  usage: z.record(z.string(), z.string()).describe('Sums of all usage lines.'),
  notes: z.array(z.string()),
  previous_hash: z.string().nullable().describe('Hash of the document with the number before.'),
});
export type InvoiceDocument = z.output<typeof invoiceDocument>;
