import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { minorPlaces } from './currency.ts';
import { decimalOf, Exact } from './exact.ts';
import type { InvoiceDocument, InvoiceLine, InvoiceTax } from './invoice-document.ts';
import { amountText } from './price-list.ts';

export const creditRequest = z.strictObject({
  reason: z.string().trim().min(1).max(500).describe('Shown on the credit note.'),
  lines: z
    .array(
      z.strictObject({
        line: z.int().min(1).describe('Number of a line of the invoice.'),
        amount: amountText.optional().describe('Before tax. Default: what is left of the line.'),
      }),
    )
    .min(1)
    .max(10_000)
    .optional()
    .describe('Default: all lines.'),
});
export type CreditRequest = z.output<typeof creditRequest>;

/**
 * Makes the draft of a credit note. Its amounts are negative. Taxes are those of everything credited so far, less what earlier
 * credit notes contain: credits of all lines add up to the taxes of the invoice, to the last unit.
 *
 * @param earlier credit notes of the same invoice
 * @throws GatewayError `invalid_request` for a line or an amount that the invoice does not have left
 */
export function creditNote(
  invoice: { readonly id: string; readonly document: InvoiceDocument },
  earlier: readonly InvoiceDocument[],
  { reason, lines: wanted }: CreditRequest,
): InvoiceDocument {
  const { document } = invoice;
  const places = minorPlaces(document.currency);
  const unitsOf = (text: string) => Exact.parse(text).round(places);
  const shown = (units: bigint) => decimalOf(units, places);
  const credited = new Map<number, bigint>();
  for (const note of earlier) {
    for (const line of note.lines) {
      const of = creditedLine(line);
      credited.set(of, (credited.get(of) ?? 0n) - unitsOf(line.amount));
    }
  }
  const chosen = wanted ?? document.lines.map(({ number }) => ({ line: number }));
  const lines: InvoiceLine[] = [];
  for (const { line: number, amount } of mergedByLine(chosen)) {
    const line = document.lines.find((one) => one.number === number);
    if (!line) throw invalid(`the invoice has no line ${number}`);
    const left = unitsOf(line.amount) - (credited.get(number) ?? 0n);
    const units = amount === undefined ? left : unitsOf(amount);
    const exceeds = amount !== undefined && units > (left > 0n ? left : 0n);
    if (exceeds) throw invalid(`line ${number} has ${shown(left)} left`);
    if (units === 0n) continue;
    lines.push({
      ...line,
      number: lines.length + 1,
      type: 'credit',
      description: `Line ${number}: ${line.description}`,
      usage: null,
      parts: [],
      amount_exact: shown(-units),
      amount: shown(-units),
    });
    credited.set(number, (credited.get(number) ?? 0n) + units);
  }
  const subtotal = lines.reduce((sum, { amount }) => sum + unitsOf(amount), 0n);
  if (lines.length === 0) throw invalid('nothing of the invoice is left to credit');
  const sum = [...credited.values()].reduce((all, units) => all + units, 0n);
  if (sum > unitsOf(document.subtotal)) {
    throw invalid(`credits would exceed the subtotal of ${document.subtotal}; credit discounts as well`);
  }
  const taxes = creditedTaxes(document, earlier, credited, places);
  const tax = taxes.reduce((sum, { amount }) => sum + unitsOf(amount), 0n);
  return {
    ...document,
    kind: 'credit_note',
    number: null,
    credits: { id: invoice.id, number: document.number ?? '' },
    reason,
    ...{ issue_date: null, due_date: null, lines, taxes, usage: {}, notes: [], previous_hash: null },
    ...{ subtotal: shown(subtotal), tax: shown(tax), total: shown(subtotal + tax) },
    rounding: { rule: ROUNDING, subtotal_exact: shown(subtotal), difference: '0' },
  };
}

const ROUNDING =
  'Amounts are those of the invoice. Each tax is that of everything credited so far, rounded once, half up, less what earlier credit notes contain.';

const LINE = /^Line (\d+): /;

/** The number of the invoice's line that a line of a credit note is for. */
function creditedLine({ description }: InvoiceLine): number {
  return Number(LINE.exec(description)?.[1] ?? '0');
}

/** A line that is named twice would otherwise be credited twice. */
function mergedByLine(
  chosen: readonly { readonly line: number; readonly amount?: string | undefined }[],
): typeof chosen {
  const seen = new Set<number>();
  for (const { line } of chosen) {
    if (seen.has(line)) throw invalid(`line ${line} is named twice`);
    seen.add(line);
  }
  return chosen;
}

function creditedTaxes(
  { lines, taxes }: InvoiceDocument,
  earlier: readonly InvoiceDocument[],
  credited: ReadonlyMap<number, bigint>,
  places: number,
): InvoiceTax[] {
  const shown = (units: bigint) => decimalOf(units, places);
  const unitsOf = (text: string) => Exact.parse(text).round(places);
  return taxes.flatMap((tax): InvoiceTax[] => {
    let base = 0n;
    for (const { number, tax_class } of lines) {
      if (tax_class === tax.tax_class) base += credited.get(number) ?? 0n;
    }
    const same = earlier.flatMap((note) =>
      note.taxes.filter(
        ({ name, tax_class, rate }) => name === tax.name && tax_class === tax.tax_class && rate === tax.rate,
      ),
    );
    const before = same.reduce((sum, { amount }) => sum - unitsOf(amount), 0n);
    const baseBefore = same.reduce((sum, { base: of }) => sum - unitsOf(of), 0n);
    const amount = Exact.of(base).times(Exact.parse(tax.rate)).over(Exact.of(100n)).round(0);
    if (base === baseBefore && amount === before) return [];
    return [{ ...tax, base: shown(baseBefore - base), amount: shown(before - amount) }];
  });
}

function invalid(why: string): GatewayError {
  return new GatewayError('invalid_request', `"lines" is not valid: ${why}.`, { param: 'lines' });
}
