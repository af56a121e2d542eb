import { stdnum } from 'stdnum';

/** Prefixes of VAT ids that differ from the country's code. */
const COUNTRY_OF_PREFIX: Readonly<Record<string, string>> = { EL: 'GR', XI: 'GB' };

const FORM = /^[A-Z]{2}[A-Z0-9+*.-]{2,20}$/;

/**
 * Checks a VAT id by its country's rule, check digits included, where there is one.
 *
 * @param text with or without spaces and dots
 * @returns the id in its compact form; undefined when it is not valid
 */
export function vatIdOf(text: string): string | undefined {
  const compact = text.toUpperCase().replaceAll(/[\s.]/g, '');
  if (!FORM.test(compact)) return undefined;
  const prefix = compact.slice(0, 2);
  const country = COUNTRY_OF_PREFIX[prefix] ?? prefix;
  const rules = Object.hasOwn(stdnum, country) ? stdnum[country] : undefined;
  const vat = rules?.vat;
  if (!vat) return compact;
  const { isValid } = vat.validate(compact);
  return isValid || vat.validate(compact.slice(2)).isValid ? compact : undefined;
}
