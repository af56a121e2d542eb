import { z } from 'zod';
import { decimal, duration, integer, list, nullable, section, text } from './fields.ts';

const TAX_CLASS = /^[a-z][a-z0-9_]{0,30}$/;
const CURRENCY = /^[A-Z]{3}$/;

const taxRate = () =>
  decimal().refine((value) => Number(value) <= 100, 'expected a percentage of at most 100, such as 8.875');

const numberForm = () =>
  z
    .string()
    .regex(
      /^(?=[^{]*(?:\{(?:year|month)(?::\d)?\}[^{]*)*\{seq(?::\d)?\})[A-Za-z0-9{][A-Za-z0-9{}:_./-]{0,60}$/,
      'expected a form such as INV-{year}-{seq}, with {seq} once',
    )
    .refine((form) => form.match(/\{seq/g)?.length === 1, 'expected {seq} once')
    .refine(
      (form) => !/[{}:]/.test(form.replaceAll(/\{(?:year|month|seq)(?::\d)?\}/g, '')),
      'has an unknown placeholder: use {year}, {month} and {seq}',
    )
    .refine(
      (form) => !form.includes('{month') || form.includes('{year'),
      'expected {year} where it has {month}',
    );

const timeZone = () =>
  z
    .string()
    .max(60)
    .refine((name) => {
      try {
        return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
      } catch {
        return false;
      }
    }, 'expected the name of a time zone, such as Europe/Zurich or UTC');

/** Gives a map that may be absent or null its defaults. */
const map = <Key extends z.ZodType<string, string>, Value extends z.ZodType>(key: Key, value: Value) =>
  z.preprocess((given) => given ?? {}, z.record(key, value));

/** Dollars per hour. */
export const DEFAULT_GPU_HOURS = { A10G: '1.20', 'A100-40GB': '3.50', 'A100-80GB': '5.00' } as const;

/** Invoices. */
export const billing = () =>
  section({
    issuer: nullable(
      z.strictObject({
        name: text(200).describe('The legal name.'),
        address: list(text(200)).describe('Lines of the postal address.'),
        email: nullable(text(254)).describe('Shown on invoices.'),
        vat_id: nullable(text(30)).describe('The VAT id, shown on invoices.'),
        payment: list(text(200)).describe('Lines that say how to pay, such as an IBAN.'),
      }),
    ).describe('Who issues invoices. Without it, months are closed as drafts, and nothing can be issued.'),
    close: z
      .enum(['off', 'draft', 'issue'])
      .prefault('off')
      .describe(
        "What happens to the last month of each tenant, in the tenant's time zone: nothing, a draft, or an issued invoice.",
      ),
    close_after: duration(0)
      .prefault('24h')
      .describe('How long after its end a month is closed, so that usage of stopped gateways can arrive.'),
    time_zone: timeZone().prefault('UTC').describe('The time zone of issue dates.'),
    invoice_number: numberForm()
      .prefault('INV-{year}-{seq}')
      .describe(
        'The form of invoice numbers. `{seq}` has five digits, `{seq:3}` three. With `{year}` or `{month}`, each year or month begins at 1.',
      ),
    credit_note_number: numberForm()
      .prefault('CN-{year}-{seq}')
      .describe('The form of the numbers of credit notes, which are counted on their own.'),
    due_days: integer(0, 365)
      .prefault(15)
      .describe('Days from the end of the month until an invoice is due; never before its issue.'),
    taxes: map(
      z.string().regex(TAX_CLASS, 'is not a valid tax class'),
      z
        .array(
          z.strictObject({
            name: text(60).describe('As invoices show it, such as `VAT`.'),
            rate: taxRate().describe('Percent, with up to 12 decimals.'),
          }),
        )
        .max(5),
    )
      .prefault({})
      .describe(
        'Taxes by class: `standard` for everything that a price list assigns no other class. Without any class, nothing is taxed.',
      ),
    reverse_charge_note: text(500)
      .prefault(
        'Reverse charge: the recipient of the service is liable for the VAT (Article 196, Council Directive 2006/112/EC).',
      )
      .describe('The note on invoices of tenants with reverse charge.'),
    fonts: nullable(
      z.strictObject({
        regular: text(1_000).describe('A TrueType or OpenType file.'),
        bold: text(1_000).describe('Its bold font.'),
      }),
    ).describe(
      'Fonts of PDF files. The built-in ones have Latin, Greek, Cyrillic, Arabic and Hebrew letters; names in other scripts, such as Chinese, need others.',
    ),
    notes: list(text(500)).describe('Notes on each invoice.'),
    exchange_rates: map(
      z.string().regex(CURRENCY, 'is not an ISO 4217 code'),
      decimal().refine((value) => /[1-9]/.test(value), 'must be more than 0'),
    )
      .prefault({})
      .describe(
        'Fixed rates, by currency: units for one US dollar. Each currency of a price list needs one.',
      ),
    gpu_hours: map(z.string().min(1).max(60), decimal())
      .prefault({})
      .transform((own): Readonly<Record<string, string>> => ({ ...DEFAULT_GPU_HOURS, ...own }))
      .describe(
        'US dollars per hour of each kind of GPU, for infrastructure costs; `A10G`, `A100-40GB` and `A100-80GB` have prices.',
      ),
  });
