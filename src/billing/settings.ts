import type { ExchangeRates } from './currency.ts';
import type { TaxRates } from './tax.ts';

/** Who issues invoices. */
export interface Issuer {
  readonly name: string;
  readonly address: readonly string[];
  readonly email: string | null;
  readonly vatId: string | null;
  /** Lines that say how to pay. */
  readonly payment: readonly string[];
}

/** The section `billing` of the configuration. */
export interface BillingSettings {
  /** Null until it is configured: nothing can be issued then. */
  readonly issuer: Issuer | null;
  /** Zone of issue dates. */
  readonly timeZone: string;
  readonly numbers: { readonly invoice: string; readonly credit_note: string };
  /** Days after the end of the period. */
  readonly dueDays: number;
  readonly close: 'off' | 'draft' | 'issue';
  /** How long after its end a month is closed. Milliseconds. */
  readonly closeAfterMs: number;
  readonly taxes: TaxRates;
  readonly reverseChargeNote: string;
  readonly exchangeRates: ExchangeRates;
  /** US dollars per hour and GPU, by kind. */
  readonly gpuHours: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** Files of fonts for PDF files, instead of those that come with the program. */
  readonly fonts?: { readonly regular: string; readonly bold: string } | undefined;
}
