import { z } from 'zod';
import { Exact } from './exact.ts';
import { taxClass } from './price-list.ts';

/** Percent with up to twelve decimals. */
export const taxRate = z
  .string()
  .regex(
    /^(?:\d{1,2}(?:\.\d{1,12})?|100(?:\.0{1,12})?)$/,
    'must be a percentage from "0" to "100" with at most 12 decimals, such as "8.875"',
  );

const tax = z.strictObject({
  name: z.string().trim().min(1).max(60).describe('As invoices show it, such as `VAT`.'),
  rate: taxRate,
});

/** The taxes of each class of lines. */
export const taxRates = z
  .record(taxClass, z.array(tax).max(5))
  .refine((classes) => Object.keys(classes).length <= 20, 'has more than 20 classes');
export type TaxRates = Readonly<Record<string, readonly Readonly<z.output<typeof tax>>[]>>;

/** A price list names a tax class without rates. */
export class MissingTaxClassError extends Error {
  override readonly name = 'MissingTaxClassError';

  constructor(readonly taxClass: string) {
    super(
      `There are no taxes of the class "${taxClass}". Set \`billing.taxes.${taxClass}\`; an empty list for none.`,
    );
  }
}

export interface TaxAmount {
  readonly name: string;
  readonly rate: string;
  /** In units of the currency. */
  readonly amount: bigint;
}

/**
 * @param base units of the currency
 * @returns each tax on a base, rounded half away from zero; with reverse charge, each at 0
 * @throws MissingTaxClassError
 */
export function taxesOn(
  base: bigint,
  ofClass: string,
  { taxes, reverseCharge }: { readonly taxes: TaxRates; readonly reverseCharge: boolean },
): TaxAmount[] {
  // Without taxes at all, as before they are configured, nothing is taxed.
  if (Object.keys(taxes).length === 0) return [];
  const rates = Object.hasOwn(taxes, ofClass) ? taxes[ofClass] : undefined;
  if (!rates) throw new MissingTaxClassError(ofClass);
  return rates.map(({ name, rate }) => {
    if (reverseCharge) return { name, rate: '0', amount: 0n };
    const amount = Exact.of(base).times(Exact.parse(rate)).over(Exact.of(100n)).round(0);
    return { name, rate, amount };
  });
}
