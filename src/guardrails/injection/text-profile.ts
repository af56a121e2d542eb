/** What a text consists of: it decides which encodings and which forms of writing it may contain. */
export interface TextProfile {
  readonly isAscii: boolean;
  /** Units of the longest run without a space. */
  readonly longestRun: number;
  readonly digits: number;
  /** Digits, `@`, `$` and `|`. */
  readonly leetSigns: number;
  readonly hyphens: number;
  /** Dots and hyphens. */
  readonly dots: number;
  readonly backslashes: number;
  readonly ampersands: number;
  readonly percents: number;
  /** Most letters or digits in a row that are separated by single signs. */
  readonly separated: number;
}

/** Reads a text once. */
export function profileOf(text: string): TextProfile {
  let [run, longestRun, digits, signs, hyphens, points] = [0, 0, 0, 0, 0, 0];
  let [backslashes, ampersands, percents, separated, mostSeparated] = [0, 0, 0, 0, 0];
  let [isAscii, isWord] = [true, false];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) {
      run += 1;
      if (isWord) separated = 0;
      isWord = true;
      continue;
    }
    const wasWord = isWord;
    isWord = false;
    if (code >= 0x80) isAscii = false;
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) {
      if (run > longestRun) longestRun = run;
      run = 0;
    } else run += 1;
    if (code >= 0x30 && code <= 0x39) {
      digits += 1;
      if (wasWord) separated = 0;
      isWord = true;
      continue;
    }
    if (wasWord && isSeparator(code)) {
      separated += 1;
      if (separated > mostSeparated) mostSeparated = separated;
    } else separated = 0;
    switch (code) {
      case 0x2d:
        hyphens += 1;
        break;
      case 0x2e:
        points += 1;
        break;
      case 0x40:
      case 0x24:
      case 0x7c:
        signs += 1;
        break;
      case 0x5c:
        backslashes += 1;
        break;
      case 0x26:
        ampersands += 1;
        break;
      case 0x25:
        percents += 1;
        break;
      default:
    }
  }
  return {
    ...{ isAscii, digits, hyphens, backslashes, ampersands, percents },
    longestRun: Math.max(longestRun, run),
    leetSigns: signs + digits,
    dots: points + hyphens,
    separated: mostSeparated,
  };
}

/** Space, dot, underscore, asterisk, bar, slash, tilde, hyphen. */
function isSeparator(code: number): boolean {
  switch (code) {
    case 0x20:
    case 0x2e:
    case 0x5f:
    case 0x2a:
    case 0x7c:
    case 0x2f:
    case 0x7e:
    case 0x2d:
      return true;
    default:
      return false;
  }
}
