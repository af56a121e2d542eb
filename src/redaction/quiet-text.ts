/** A run of characters without a space that is as long may be a secret or an encoded text. */
const LONG_RUN = 15;

/**
 * Follows a text as it arrives, and knows when no finding can be in its end: most prose, at the cost of a look at each
 * character. Dictionaries of names need the finder.
 */
export class QuietText {
  /** Units of the run without a space that the text ends with. */
  #run = 0;
  #sinceSign = Number.POSITIVE_INFINITY;

  /** UTF-16 units since the last sign of a finding. */
  get sinceSign(): number {
    return this.#sinceSign;
  }

  /** Reads the units of a text from an index on. @param from the units before were read, or belong to another text */
  read(text: string, from: number): void {
    let [run, since] = [this.#run, this.#sinceSign];
    for (let index = from; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      since += 1;
      if (isSpaceCode(code)) {
        if (run === 3 && isDot(text, index)) since = 0;
        run = 0;
        continue;
      }
      run += 1;
      if (run >= LONG_RUN || (!isLetterCode(code) && isSign(code, text, index))) since = 0;
    }
    this.#run = run;
    this.#sinceSign = since;
  }

  reset(): void {
    this.#run = 0;
    this.#sinceSign = Number.POSITIVE_INFINITY;
  }
}

/**
 * Decides whether the words around an index cannot belong to the same finding, in a text without signs.
 * @param index of the first unit after a space; at least three units follow
 */
export function isBetweenWords(text: string, index: number): boolean {
  let end = index;
  while (end > 0 && isSpaceCode(text.charCodeAt(end - 1))) end -= 1;
  const last = text.charCodeAt(end - 1);
  if (isPause(last)) end -= 1;
  // A dot, a slash, a hyphen or a plus continues after a space, as in "jo . smith at example dot com".
  else if (!isLetterCode(last) && last !== 0x22 && last !== 0x27) return false;
  let start = end;
  while (start > 0 && isLetterCode(text.charCodeAt(start - 1))) start -= 1;
  // One or two letters may begin an account number, and "at" and "dot" stand for signs of an address.
  if (end - start < 3 || endsSpelled(text, end)) return false;
  return isLetterCode(text.charCodeAt(index)) && !startsSpelled(text, index);
}

export function isSpaceCode(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function isLetterCode(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a);
}

/** A comma, a semicolon, or the end of a sentence that is no part of a number or address. */
function isPause(code: number): boolean {
  return code === 0x2c || code === 0x3b || code === 0x21 || code === 0x3f;
}

/** Digits, `@`, `:`, `=`, brackets, two hyphens, what an escape begins with, and everything beyond ASCII. */
function isSign(code: number, text: string, index: number): boolean {
  if (code >= 0x7f || (code >= 0x30 && code <= 0x39)) return true;
  switch (code) {
    // & and % begin escapes of "@".
    case 0x25:
    case 0x26:
    case 0x28:
    case 0x3a:
    case 0x3c:
    case 0x3d:
    case 0x40:
    case 0x5b:
    case 0x5c:
    case 0x7b:
      return true;
    case 0x2d:
      return index > 0 && text.charCodeAt(index - 1) === 0x2d;
    default:
      return false;
  }
}

/** Whether the word before an index is "dot". */
function isDot(text: string, end: number): boolean {
  return is(text, end - 3, 0x64) && is(text, end - 2, 0x6f) && is(text, end - 1, 0x74);
}

function endsSpelled(text: string, end: number): boolean {
  return is(text, end - 1, 0x74) && (is(text, end - 2, 0x61) || isDot(text, end));
}

function startsSpelled(text: string, index: number): boolean {
  if (is(text, index, 0x61)) return is(text, index + 1, 0x74);
  return isDot(text, index + 3);
}

/** @param letter in lower case; either case matches */
function is(text: string, index: number, letter: number): boolean {
  return (text.charCodeAt(index) | 0x20) === letter;
}
