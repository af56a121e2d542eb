/** A text in which digits, letters and separators of other scripts are replaced by those of ASCII. */
export interface FoldedText {
  readonly text: string;
  /** @returns the index in the original text of a unit of `text`, or of its end */
  readonly originalIndex: (index: number) => number;
}

const same = (index: number) => index;

/** Invisible characters, which hide a number or a word from a pattern. */
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]/;
const FOLDABLE =
  /[\u00a0\u00ad\u061c\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\u180e\u2000-\u2015\u202a-\u202f\u205f-\u2064\u2212\u3000\u3002\ufe52\ufe58\ufe63\ufeff\uff00-\uff5e]|\ud835[\udfce-\udfff]/g;

/** First digits of the decimal digits of other scripts. */
const ZEROS = [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xe50];

/**
 * Replaces decimal digits of other scripts, fullwidth forms, dashes and spaces by their ASCII counterparts, and removes
 * invisible characters. Texts without any of these are returned as they are.
 */
export function fold(text: string): FoldedText {
  FOLDABLE.lastIndex = 0;
  if (!FOLDABLE.test(text)) return { text, originalIndex: same };
  FOLDABLE.lastIndex = 0;
  let folded = '';
  let last = 0;
  /** Where indexes shift: in `folded`, and by how much the original is ahead from there on. */
  const at: number[] = [];
  const ahead: number[] = [];
  for (const match of text.matchAll(FOLDABLE)) {
    const replacement = asciiOf(match[0]);
    folded += text.slice(last, match.index) + replacement;
    last = match.index + match[0].length;
    if (replacement.length !== match[0].length) {
      at.push(folded.length);
      ahead.push(last - folded.length);
    }
  }
  folded += text.slice(last);
  if (at.length === 0) return { text: folded, originalIndex: same };
  return { text: folded, originalIndex: (index) => index + shiftAt(at, ahead, index) };
}

/** @returns how much the original is ahead at an index of the folded text */
function shiftAt(at: readonly number[], ahead: readonly number[], index: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return ahead[low - 1] ?? 0;
}

function asciiOf(character: string): string {
  if (INVISIBLE.test(character)) return '';
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x1d7ce) return String((code - 0x1d7ce) % 10);
  if (code > 0xff00) return String.fromCharCode(code - 0xfee0);
  const zero = ZEROS.find((first) => code >= first && code <= first + 9);
  if (zero !== undefined) return String(code - zero);
  if ((code >= 0x2010 && code <= 0x2015) || code === 0x2212 || code === 0xfe58 || code === 0xfe63) return '-';
  return code === 0x3002 || code === 0xfe52 ? '.' : ' ';
}
