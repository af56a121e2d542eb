const POINT = 46;
const ZERO = 48;
const NINE = 57;
const BACKSLASH = 92;
const UPPER_E = 69;
const LOWER_E = 101;
/** Doubles hold all integers of fewer digits. */
const INEXACT_DIGITS = 16;
/** Doubles hold exponents of fewer digits. */
const INEXACT_EXPONENT = 3;

/**
 * Whether every number of a body is one that its parsed form holds. Otherwise two bodies with different numbers have one key,
 * though a target gets the text and may tell them apart. The digits of a fraction are rounded in the same way by all parsers.
 * @param text valid JSON text
 */
export function hasExactNumbers(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    if (!isExactPart(text, at, quote < 0 ? text.length : quote)) return false;
    if (quote < 0) return true;
    at = endOfString(text, quote);
  }
  return true;
}

/** @param end of a part of the text that has no strings */
function isExactPart(text: string, from: number, end: number): boolean {
  let digits = 0;
  let most = INEXACT_DIGITS;
  for (let at = from; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code <= NINE) {
      digits += 1;
      if (digits >= most) return false;
      continue;
    }
    digits = 0;
    most = INEXACT_DIGITS;
    if (code === POINT) most = Number.POSITIVE_INFINITY;
    else if (code === UPPER_E || code === LOWER_E) {
      most = INEXACT_EXPONENT;
      const sign = text[at + 1];
      if (sign === '+' || sign === '-') at += 1;
    }
  }
  return true;
}

/** @returns the offset behind the string that opens at `from` */
function endOfString(text: string, from: number): number {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
}
