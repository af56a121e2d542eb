import * as insz from 'stdnum/lib/esm/be/nn';
import * as cpf from 'stdnum/lib/esm/br/cpf';
import * as sin from 'stdnum/lib/esm/ca/sin';
import * as ahv from 'stdnum/lib/esm/ch/ssn';
import * as ric from 'stdnum/lib/esm/cn/ric';
import * as idnr from 'stdnum/lib/esm/de/idnr';
import * as dni from 'stdnum/lib/esm/es/dni';
import * as nie from 'stdnum/lib/esm/es/nie';
import * as hetu from 'stdnum/lib/esm/fi/hetu';
import * as nir from 'stdnum/lib/esm/fr/nir';
import * as nino from 'stdnum/lib/esm/gb/nino';
import * as aadhaar from 'stdnum/lib/esm/in/aadhaar';
import * as pan from 'stdnum/lib/esm/in/pan';
import * as codiceFiscale from 'stdnum/lib/esm/it/codicefiscale';
import * as rrn from 'stdnum/lib/esm/kr/rrn';
import * as curp from 'stdnum/lib/esm/mx/curp';
import * as bsn from 'stdnum/lib/esm/nl/bsn';
import * as pesel from 'stdnum/lib/esm/pl/pesel';
import * as personnummer from 'stdnum/lib/esm/se/personnummer';
import type { AddFinding } from '../kinds.ts';
import { commonSeparator, type DigitGroup, digitsOf, sizesOf } from './digit-groups.ts';

interface Numbering {
  /** Sizes of the digit groups in which it is usually written, where these alone are evidence. */
  readonly sizes?: string;
  /** Number of digits without separators that are accepted without a word before them. */
  readonly bare?: number;
  /** A word before the number, with which any grouping is accepted. */
  readonly word?: RegExp;
  readonly digits: number;
  readonly isValid: (digits: string) => boolean;
}

const valid =
  ({ validate }: { readonly validate: (value: string) => { readonly isValid: boolean } }) =>
  (value: string): boolean =>
    validate(value).isValid;

/** The library reads the hyphen before the last four digits. */
const isPersonnummer = (digits: string) => valid(personnummer)(`${digits.slice(0, -4)}-${digits.slice(-4)}`);

const NUMBERINGS: readonly Numbering[] = [
  { sizes: '3-3-3-2', digits: 11, word: /\bcpf\b/i, isValid: valid(cpf) },
  { sizes: '4-4-4', digits: 12, word: /aadhaar|aadhar|आधार/i, isValid: valid(aadhaar) },
  { digits: 9, word: /\bsin\b|social insurance/i, isValid: valid(sin) },
  { digits: 9, word: /\bbsn\b|burgerservice/i, isValid: valid(bsn) },
  { sizes: '1-2-2-2-3-3-2', bare: 15, digits: 15, word: /\bnir\b|sécu|insee/i, isValid: valid(nir) },
  { digits: 11, word: /pesel/i, isValid: valid(pesel) },
  { sizes: '6-4', digits: 10, word: /personnummer/i, isValid: isPersonnummer },
  { sizes: '8-4', digits: 12, word: /personnummer/i, isValid: isPersonnummer },
  {
    sizes: '3-4-4-2',
    bare: 13,
    digits: 13,
    word: /\bahv\b|\bavs\b/i,
    isValid: (digits) => digits.startsWith('756') && valid(ahv)(digits),
  },
  {
    sizes: '2-2-2-3-2',
    digits: 11,
    word: /rijksregister|registre national|\binsz\b|\bniss\b/i,
    isValid: valid(insz),
  },
  { digits: 11, word: /steuer|idnr|identifikationsnummer/i, isValid: valid(idnr) },
  { sizes: '6-7', digits: 13, word: /주민/i, isValid: valid(rrn) },
  { bare: 18, digits: 18, isValid: valid(ric) },
];

/** How far before a number a word about it may be. */
const BEFORE = 40;

/**
 * A US social security number at the start of some digit groups, also those for taxes (ITIN).
 * @returns the number of groups that it takes; 0 for none
 */
export function ssnLength(groups: readonly DigitGroup[], text: string): number {
  const window = groups.slice(0, 3);
  const separator = commonSeparator(window);
  const next = groups[3];
  if (sizesOf(window) === '3-2-4' && (separator === '-' || separator === ' ' || separator === '.')) {
    // A longer number with hyphens is a part or an order.
    return next?.separator === separator && separator !== ' ' ? 0 : isSsn(digitsOf(window)) ? 3 : 0;
  }
  for (let count = 1; count <= Math.min(groups.length, 9); count += 1) {
    const digits = digitsOf(groups.slice(0, count));
    if (digits.length < 9) continue;
    if (digits.length > 9 || !isSsn(digits)) return 0;
    const start = groups[0]?.start ?? 0;
    return /\bssn\b|social\s+security|soc\.? sec/i.test(text.slice(Math.max(0, start - BEFORE), start))
      ? count
      : 0;
  }
  return 0;
}

/** The areas, groups and serial numbers that are never given. */
function isSsn(digits: string): boolean {
  if (/^(?:000|666)|^\d{3}00|0000$/.test(digits)) return false;
  return digits[0] !== '9' || /^9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])/.test(digits);
}

/**
 * A national identification number at the start of some digit groups.
 * @returns the number of groups that it takes; 0 for none
 */
export function nationalIdLength(groups: readonly DigitGroup[], text: string): number {
  const start = groups[0]?.start ?? 0;
  let before: string | undefined;
  for (let count = 1; count <= Math.min(groups.length, 18); count += 1) {
    const window = groups.slice(0, count);
    const digits = digitsOf(window);
    if (digits.length > 18) return 0;
    if (digits.length < 9) continue;
    const sizes = sizesOf(window);
    for (const numbering of NUMBERINGS) {
      if (numbering.digits !== digits.length) continue;
      const isWritten = numbering.sizes === sizes || (count === 1 && numbering.bare === digits.length);
      if (!isWritten) {
        before ??= text.slice(Math.max(0, start - BEFORE), start);
        if (!numbering.word?.test(before)) continue;
      }
      if (numbering.isValid(digits)) return count;
    }
  }
  return 0;
}

interface LetteredForm {
  readonly pattern: RegExp;
  readonly isValid: (value: string) => boolean;
  readonly word?: RegExp;
}

const LETTERED: readonly LetteredForm[] = [
  { pattern: /^\d{8}[ -]?[A-Z]$/, isValid: valid(dni) },
  { pattern: /^[XYZ][ -]?\d{7}[ -]?[A-Z]$/, isValid: valid(nie) },
  {
    pattern: /^[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$/,
    isValid: valid(codiceFiscale),
  },
  { pattern: /^[A-Z]{2}(?: ?\d{2}){3} ?[A-D]$/, isValid: valid(nino) },
  { pattern: /^\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]$/, isValid: valid(hetu) },
  { pattern: /^[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d$/, isValid: valid(curp) },
  { pattern: /^[A-Z]{5}\d{4}[A-Z]$/, isValid: valid(pan), word: /\bpan\b|permanent account/i },
  { pattern: /^\d{17}X$/, isValid: valid(ric) },
];
/** Words of letters and digits in which one of the forms above may be. */
const LETTERED_CANDIDATE =
  /(?<![\p{L}\p{N}_-])(?:[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]|[XYZ]?[ -]?\d{7,8}[ -]?[A-Z]|\d{6}[-+A-Y]\d{3}[0-9A-Y]|\d{17}X|[A-Z]{4,6}[A-Z0-9]{6,14})(?![\p{L}\p{N}_-])/gu;

/** National identification numbers with letters. */
export function findLetteredIds(text: string, add: AddFinding): void {
  for (const { index, 0: found } of text.matchAll(LETTERED_CANDIDATE)) {
    if (!/\d/.test(found)) continue;
    const form = LETTERED.find(({ pattern, isValid }) => pattern.test(found) && isValid(found));
    if (!form) continue;
    if (form.word && !form.word.test(text.slice(Math.max(0, index - BEFORE), index))) continue;
    add('national_id', index, index + found.length);
  }
}
