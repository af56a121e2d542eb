import type { BillingAccount } from './billing-accounts.ts';
import { COST_CURRENCY } from './currency.ts';
import type { InvoiceDocument } from './invoice-document.ts';
import { type InvoiceTotals, type OpenLine, totalsOf } from './invoice-totals.ts';
import type { BillingMonth } from './month.ts';
import { usageTexts } from './month-charges.ts';
import type { LineDimension } from './rating.ts';
import type { BillingSettings } from './settings.ts';
import type { BilledSums } from './usage-slice.ts';

export const DEFAULT_LINES: readonly LineDimension[] = ['model', 'key'];

export interface InvoiceInput {
  readonly account: BillingAccount;
  readonly settings: BillingSettings;
  readonly month: BillingMonth;
  /** Where it is not the whole month, because the tenant ended. */
  readonly until?: number | undefined;
  readonly currency: string;
  readonly lines: readonly OpenLine[];
  /** Of all usage lines, late ones included. */
  readonly usage: BilledSums;
}

/**
 * Makes the draft of an invoice.
 *
 * @throws MissingTaxClassError
 */
export function draftInvoice(input: InvoiceInput): {
  document: InvoiceDocument;
  total: InvoiceTotals['units'];
} {
  const { account, settings, month, currency, usage } = input;
  const { document: details } = account;
  const reverseCharge = details.reverse_charge === true;
  const taxes = details.taxes ?? settings.taxes;
  const { units, ...totals } = totalsOf(input.lines, { currency, taxes, reverseCharge });
  const rates = Object.entries(settings.exchangeRates).filter(([code]) => code === currency);
  const notes = [...settings.notes];
  if (reverseCharge) notes.push(settings.reverseChargeNote);
  if (currency !== COST_CURRENCY && rates.length > 0) {
    notes.push(`Converted at the fixed rate of ${rates[0]?.[1]} ${currency} for 1 ${COST_CURRENCY}.`);
  }
  if (usage.unpriced > 0n) {
    notes.push(
      `The cost of ${usage.unpriced} attempts is unknown. Where the cost is charged, they are free.`,
    );
  }
  const document: InvoiceDocument = {
    schema: 1,
    kind: 'invoice',
    number: null,
    credits: null,
    reason: null,
    issuer: issuerOf(settings),
    customer: {
      tenant: account.tenant,
      name: details.name ?? account.tenantName,
      address: details.address ?? [],
      email: details.email ?? null,
      vat_id: details.vat_id ?? null,
      reference: details.reference ?? null,
      external_id: details.external_id ?? null,
    },
    period: {
      month: month.id,
      from: new Date(month.start).toISOString(),
      to: new Date(input.until ?? month.end).toISOString(),
      time_zone: month.timeZone,
    },
    issue_date: null,
    due_date: null,
    currency,
    exchange_rates: Object.fromEntries(rates),
    split_by: [...(details.lines ?? DEFAULT_LINES)],
    ...totals,
    reverse_charge: reverseCharge,
    usage: usageTexts(usage),
    notes,
    previous_hash: null,
  };
  return { document, total: units };
}

/** The issuer as documents show it. */
export function issuerOf({ issuer }: Pick<BillingSettings, 'issuer'>): InvoiceDocument['issuer'] {
  return {
    name: issuer?.name ?? '',
    address: [...(issuer?.address ?? [])],
    email: issuer?.email ?? null,
    vat_id: issuer?.vatId ?? null,
    payment: [...(issuer?.payment ?? [])],
  };
}
