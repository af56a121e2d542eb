import { minorPlaces } from './currency.ts';
import { decimalOf, Exact } from './exact.ts';
import type { InvoiceDocument, InvoiceLine, InvoiceTax } from './invoice-document.ts';
import { roundToSum } from './largest-remainder.ts';
import type { TaxRates } from './tax.ts';
import { taxesOn } from './tax.ts';

/** A line before it is rounded. */
export type OpenLine = Omit<InvoiceLine, 'number' | 'amount' | 'amount_exact'> & { readonly exact: Exact };

export interface TotalsOptions {
  readonly currency: string;
  readonly taxes: TaxRates;
  readonly reverseCharge: boolean;
}

export type InvoiceTotals = Pick<
  InvoiceDocument,
  'lines' | 'subtotal' | 'taxes' | 'tax' | 'total' | 'rounding'
> & { readonly units: { readonly total: bigint; readonly places: number } };

/**
 * Rounds an invoice: the exact sum of its lines once, to the smallest unit of the currency, half away from zero; the lines by
 * largest remainder, so that they add up to it; each tax once, on the rounded sum of its class.
 *
 * @throws MissingTaxClassError
 */
export function totalsOf(open: readonly OpenLine[], options: TotalsOptions): InvoiceTotals {
  const { currency } = options;
  const places = minorPlaces(currency);
  const shown = (units: bigint) => decimalOf(units, places);
  const exact = Exact.sum(open.map((line) => line.exact));
  const subtotal = exact.round(places);
  const amounts = roundToSum(
    open.map((line) => line.exact),
    subtotal,
    places,
  );
  const bases = new Map<string, bigint>();
  const lines = open.map(({ exact: own, ...line }, index): InvoiceLine => {
    const units = amounts[index] ?? 0n;
    bases.set(line.tax_class, (bases.get(line.tax_class) ?? 0n) + units);
    return { number: index + 1, ...line, amount_exact: own.toDecimal(), amount: shown(units) };
  });
  let tax = 0n;
  const taxes: InvoiceTax[] = [];
  for (const [taxClass, base] of [...bases].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const { name, rate, amount } of taxesOn(base, taxClass, options)) {
      tax += amount;
      taxes.push({ name, tax_class: taxClass, rate, base: shown(base), amount: shown(amount) });
    }
  }
  return {
    lines,
    subtotal: shown(subtotal),
    taxes,
    tax: shown(tax),
    total: shown(subtotal + tax),
    rounding: {
      rule: roundingRule(currency, places),
      subtotal_exact: exact.toDecimal(),
      difference: Exact.of(subtotal, 10n ** BigInt(places))
        .minus(exact)
        .toDecimal(),
    },
    units: { total: subtotal + tax, places },
  };
}

function roundingRule(currency: string, places: number): string {
  const unit = `${decimalOf(1n, places)} ${currency}`;
  return `Lines are exact until their sum is rounded once, half up, to ${unit}. Line amounts are rounded by largest remainder and add up to the subtotal. Each tax is rounded once, half up, on the subtotal of its class.`;
}
