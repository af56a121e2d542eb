import { creditNote } from '../../src/billing/credit-note.ts';
import { draftInvoice } from '../../src/billing/invoice-builder.ts';
import type { InvoiceDocument } from '../../src/billing/invoice-document.ts';
import { chargeMonth } from '../../src/billing/month-charges.ts';
import type { PrintedInvoice } from '../../src/billing/pdf/printed-invoice.ts';
import { activePrices, type PriceListDocument } from '../../src/billing/price-list.ts';
import type { BillingSettings } from '../../src/billing/settings.ts';
import { NO_SUMS, totalOf, type UsageSlice } from '../../src/billing/usage-slice.ts';

const START = Date.parse('2026-11-01T00:00:00Z');
const CHANGE = Date.parse('2026-11-15T00:00:00Z');
const END = Date.parse('2026-12-01T00:00:00Z');

const SETTINGS: BillingSettings = {
  issuer: {
    name: 'Weir Operations Ltd',
    address: ['1 Canal Street', 'London N1 9RR', 'United Kingdom'],
    email: 'billing@weir.example',
    vatId: 'GB980780684',
    payment: ['IBAN GB33 BUKB 2020 1555 5555 55', 'Please name the number of the invoice.'],
  },
  timeZone: 'UTC',
  numbers: { invoice: 'INV-{year}-{seq}', credit_note: 'CN-{year}-{seq}' },
  dueDays: 15,
  close: 'off',
  closeAfterMs: 0,
  taxes: {
    standard: [{ name: 'VAT', rate: '20' }],
    reduced: [{ name: 'VAT', rate: '8.875000000001' }],
  },
  reverseChargeNote: 'Reverse charge: the recipient of the service is liable for the VAT.',
  exchangeRates: { EUR: '0.92', JPY: '151.37' },
  gpuHours: {},
  notes: [],
};

export interface SampleOptions {
  readonly list?: PriceListDocument;
  readonly slices: readonly UsageSlice[];
  readonly names?: ReadonlyMap<string, string>;
  readonly customer?: Partial<{
    name: string;
    address: string[];
    vat_id: string;
    reference: string;
    reverse_charge: boolean;
    lines: ('model' | 'key' | 'user')[];
  }>;
}

/** @returns an issued invoice of November 2026, with a price change on the 15th */
export function sampleInvoice({
  list = {},
  slices,
  names = new Map(),
  customer = {},
}: SampleOptions): PrintedInvoice {
  const version = { version: 3, validFrom: '2026-11-01', document: list, createdAt: 0, createdBy: 'x' };
  const prices = activePrices(version, undefined);
  const periods = [
    { start: START, end: CHANGE, prices },
    { start: CHANGE, end: END, prices },
  ];
  const { currency } = prices;
  const terms = { month: '2026-11', periods, currency, rates: SETTINGS.exchangeRates };
  const lines = chargeMonth(slices, { ...terms, lines: customer.lines ?? ['model', 'key'] }, names);
  const { document } = draftInvoice({
    account: {
      ...{ account: 'acme@1', tenant: 'acme', tenantName: 'Acme', timeZone: 'UTC', createdAt: 0 },
      ...{ deletedAt: null, document: customer, version: 1, changes: 1 },
    },
    settings: SETTINGS,
    month: { id: '2026-11', start: START, end: END, timeZone: 'UTC' },
    ...{ currency, lines, usage: totalOf(slices) },
  });
  const issued: InvoiceDocument = {
    ...document,
    ...{ number: 'INV-2026-00042', issue_date: '2026-12-02', due_date: '2026-12-15' },
  };
  return { document: issued, status: 'open', hash: 'c0ffee'.repeat(10).padEnd(64, '0') };
}

function slice(part: 0 | 1, key: string, user: string, model: string, seed: number): UsageSlice {
  const requests = BigInt(100 + ((seed * 7919) % 9_000));
  return {
    ...{ start: part === 0 ? START : CHANGE, key, user, model, provider: 'openai' },
    sums: {
      ...NO_SUMS,
      requests,
      input_tokens: requests * 1_733n,
      cached_tokens: requests * 411n,
      output_tokens: requests * 397n,
      cost_pico: requests * 7_654_321_987n,
      duration_ms: requests * 1_250n,
    },
  };
}

const RULES: PriceListDocument = {
  margin: '15',
  discount: '2.5',
  free_allowance: '10',
  rules: [
    { model: 'gpt-4o', prices: { input: '3.00', cached_input: '1.50', output: '12.00' } },
    {
      model: 'qwen*',
      prices: {
        output: {
          tiers: [
            { up_to: 1_000_000, price: '0' },
            { up_to: null, price: '0.80' },
          ],
        },
        request: '0.0001',
      },
      tax_class: 'reduced',
    },
  ],
};

/** A month as most tenants have it. */
export function usualInvoice(): PrintedInvoice {
  const models = ['gpt-4o', 'claude-sonnet-4', 'qwen2.5-7b'];
  const slices = models.flatMap((model, index) => [
    slice(0, 'key_7c21', '', model, index + 1),
    slice(1, 'key_7c21', '', model, index + 4),
    ...(index === 0 ? [slice(0, 'key_90ab', '', model, 9)] : []),
  ]);
  return sampleInvoice({
    list: RULES,
    slices,
    names: new Map([
      ['key_7c21', 'production'],
      ['key_90ab', 'evaluation'],
    ]),
    customer: {
      ...{ name: 'Acme Manufacturing AG', address: ['Bahnhofstrasse 1', '8001 Zürich', 'Switzerland'] },
      ...{ reference: 'PO 4711-88' },
    },
  });
}

/** Names that attack a page: markup, operators of PDF, control and direction characters, and no spaces. */
export function hostileInvoice(lines = 60): PrintedInvoice {
  const names = new Map([
    ['key_0', '<script>alert(1)</script> & "quoted"'],
    ['key_1', ') Tj ET Q endstream endobj (\\'],
    ['key_2', `gnp.\u202Eexe\u202C.invoice \u0000\u0007\u2028`],
    ['key_3', 'W'.repeat(100)],
    ['key_4', 'Привет, Ελλάδα, שלום, مرحبا, Zażółć gęślą jaźń'],
    ['key_5', '漢字かな 한국어 🎉'],
  ]);
  const slices = Array.from({ length: lines }, (_, index) =>
    slice(
      index % 2 === 0 ? 0 : 1,
      `key_${index % 6}`,
      `usr_${index}`,
      index % 7 === 0 ? `openai/${'very-long-model-name-'.repeat(9)}${index}` : `model-${index}`,
      index + 1,
    ),
  );
  return sampleInvoice({
    list: { margin: '15', currency: 'EUR' },
    slices,
    names,
    customer: {
      name: `${'Donaudampfschifffahrtsgesellschaft'.repeat(3)} mit sehr langem Namen & Söhne`,
      address: ['<b>Straße</b> 1', '=HYPERLINK("http://evil.example")', '漢字', `\u202EBerlin`],
      ...{ vat_id: 'DE136695976', reverse_charge: true, lines: ['model', 'key', 'user'] },
    },
  });
}

/** The whole of the usual invoice. */
export function sampleCreditNote(): PrintedInvoice {
  const { document } = usualInvoice();
  const credit = creditNote({ id: 'inv_1', document }, [], { reason: 'Outage on 12 November' });
  return {
    document: { ...credit, number: 'CN-2026-00003', issue_date: '2026-12-20', due_date: '2026-12-20' },
    status: 'paid',
    hash: 'beef'.repeat(16),
  };
}
