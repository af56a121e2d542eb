import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/min';
import { commonSeparator, type DigitGroup, digitsOf, sizesOf } from './digit-groups.ts';

/** Regions whose numbers are written with a leading 0 at home. */
const WITH_TRUNK_ZERO: readonly CountryCode[] = [
  'GB',
  'DE',
  'FR',
  'NL',
  'IT',
  'AT',
  'CH',
  'BE',
  'SE',
  'AU',
  'JP',
  'KR',
  'IN',
  'PL',
  'TR',
  'ZA',
  'IE',
];
/** Regions that are tried for a number after a word such as "phone". */
const ALL_REGIONS: readonly CountryCode[] = [
  'US',
  'ES',
  'BR',
  'PT',
  'CN',
  'MX',
  'DK',
  'NO',
  'RU',
  ...WITH_TRUNK_ZERO,
];

const PHONE_WORD =
  /(?:phone|tel(?:e(?:ph|f)on[eo]?|éfono|efoon|\.)?|téléphone|téléphoner|call(?:ed|ing)?(?: (?:me|us|him|her))?|mobile?|cell(?:ulare|ular)?|fax|whats ?app|sms|text (?:me|us)|handy|rufnummer|portable|móvil|celular|电话|手机|電話|тел(?:ефон)?|reach (?:me|us|him|her)|dial|hotline|contact)(?:\s?(?:number|nummer|no\.?|nr\.?|#))?[\s:：=.,'"]*(?:(?:is|at|on|ist|est|es|unter|au|al)[\s:]+)?$/iu;
/** Words before a number that is no telephone's, unless it has a country code. */
const OTHER_WORD =
  /(?:order|invoice|ticket|case|ref(?:erence)?|tracking|isbn|issn|serial|sku|part|item|account|build|batch|model|version|doi|patent|article|claim|policy|customer|bestellung|auftrag|rechnung|pedido|commande|id|code|#|№|port|pid|line|row|page|size|timestamp|epoch)[\s.:#№=-]*(?:(?:no|nr|num(?:ber)?|nummer|id|code|is)[\s.:#=-]*)?$/iu;
const BEFORE = 40;
const NANP = /^(?:1-)?3-3-4$/;

/**
 * A telephone number at the start of some digit groups: with a country code, in the form of North America, with the leading
 * zero of other regions, or in any form after a word such as "phone".
 * @param isStart whether no other digits are directly before: a part of a longer number is no telephone number
 * @returns the number of groups that it takes; 0 for none
 */
export function phoneLength(groups: readonly DigitGroup[], text: string, isStart: boolean): number {
  const [first] = groups;
  if (!first) return 0;
  const hasPlus = first.separator.includes('+');
  const before = text.slice(
    Math.max(0, first.start - first.separator.length - BEFORE),
    first.start - first.separator.length,
  );
  if (!isStart && !hasPlus) return 0;
  const hasWord = PHONE_WORD.test(before);
  if (!hasPlus && !hasWord && OTHER_WORD.test(before)) return 0;
  for (let count = groups.length; count > 0; count -= 1) {
    const window = groups.slice(0, count);
    const digits = digitsOf(window);
    if (digits.length > 15) continue;
    if (digits.length < 7) return 0;
    if (isPhone(window, digits, { hasPlus, hasWord }, groups[count])) return count;
  }
  return 0;
}

function isPhone(
  window: readonly DigitGroup[],
  digits: string,
  { hasPlus, hasWord }: { readonly hasPlus: boolean; readonly hasWord: boolean },
  next: DigitGroup | undefined,
): boolean {
  if (hasPlus) return isValid(`+${digits}`, undefined);
  if (
    digits.startsWith('00') &&
    digits.length >= 11 &&
    window.length > 1 &&
    isValid(`+${digits.slice(2)}`, undefined)
  )
    return true;
  if (hasWord) return ALL_REGIONS.some((region) => isValid(digits, region));
  if (window.length < 2) return false;
  // A longer number with hyphens or dots is something else: a part, a version, a book.
  const separator = commonSeparator(window);
  if (next && next.separator === separator && separator !== ' ') return false;
  if (NANP.test(sizesOf(window))) return isValid(digits, 'US');
  const [first] = window;
  if (!first || !/^0[1-9]/.test(first.digits) || digits.length < 9 || window.length > 7) return false;
  return WITH_TRUNK_ZERO.some((region) => isValid(digits, region));
}

function isValid(digits: string, region: CountryCode | undefined): boolean {
  return parsePhoneNumberFromString(digits, region)?.isValid() ?? false;
}
