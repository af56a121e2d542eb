import { commonSeparator, type DigitGroup, digitsOf, sizesOf } from './digit-groups.ts';

/** Numbers that an issuer could have given, with their lengths. */
const ISSUERS: readonly RegExp[] = [
  /^4(?:\d{12}|\d{15}|\d{18})$/,
  /^(?:5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})$/,
  /^3[47]\d{13}$/,
  /^(?:6011|64[4-9]\d|65\d\d)\d{12,15}$/,
  /^(?:30[0-5]\d|36\d\d|3[89]\d\d)\d{10,15}$/,
  /^35(?:2[89]|[3-8]\d)\d{12,15}$/,
  /^62\d{14,17}$/,
  /^(?:220[0-4]|50\d\d|5[6-9]\d\d|6[37]\d\d)\d{12,15}$/,
];
const SIZES = /^(?:\d+|4-4-4-4(?:-[1-3])?|4-6-[45]|1(?:-1){12,18}|2(?:-2){6,8}|4-4-5|8-8)$/;
const LONGEST = 19;

/**
 * A payment card at the start of some digit groups.
 * @returns the number of groups that it takes; 0 for none
 */
export function cardLength(groups: readonly DigitGroup[]): number {
  const digits = digitsOf(groups.slice(0, LONGEST));
  if (digits.length < 13 || !/^[2-6]/.test(digits)) return 0;
  for (let count = Math.min(groups.length, LONGEST); count > 0; count -= 1) {
    const window = groups.slice(0, count);
    const number = digitsOf(window);
    if (number.length > LONGEST) continue;
    if (number.length < 13) return 0;
    const separator = commonSeparator(window);
    if (separator === undefined || separator.length > 2 || !SIZES.test(sizesOf(window))) continue;
    if (ISSUERS.some((issuer) => issuer.test(number)) && hasCheckDigit(number)) return count;
  }
  return 0;
}

/** The check of Luhn (ISO/IEC 7812-1). */
function hasCheckDigit(number: string): boolean {
  let sum = 0;
  for (let index = 0; index < number.length; index += 1) {
    const digit = number.charCodeAt(number.length - 1 - index) - 48;
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
