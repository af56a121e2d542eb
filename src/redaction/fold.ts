/** A text in which digits, letters and separators of other scripts are replaced by those of ASCII. */
export interface FoldedText {
  readonly text: string;
  /** @returns the index in the original text of a unit of `text`, or of its end */
  readonly originalIndex: (index: number) => number;
}

const same = (index: number) => index;

/** Invisible characters, marks on digits and selectors, which hide a number or a word from a pattern. */
const INVISIBLE_CLASS =
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u20e3\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0';
const INVISIBLE = new RegExp(`^(?:[${INVISIBLE_CLASS}]|\\udb40[\\udc00-\\uddef])`);

/** First digits of the decimal digits of other scripts. */
const ZEROS = [
  ...[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
  ],
  ...[0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50],
  ...[0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x2080],
];
/** Digits with a form of their own: superscripts, circles and brackets, from one on. */
const ONES = [0x2460, 0x2474, 0x2488, 0x24f5, 0x2776, 0x2780, 0x278a];
const SINGLE: Readonly<Record<string, string>> = {
  ...{ '\u00b9': '1', '\u00b2': '2', '\u00b3': '3', '\u2070': '0', '\u24ea': '0', '\u24ff': '0' },
  ...{ '\u2024': '.', '\u3002': '.', '\ufe52': '.', '\uff61': '.', '\ufe6b': '@' },
};
/** An `@` as URLs, web pages and programs write it. */
const ESCAPED_AT = /^(?:%40|&(?:commat|#0{0,4}64|#x0{0,4}40);|\\u0040|\\x40)$/i;

const hex = (code: number) => `\\u${code.toString(16).padStart(4, '0')}`;
const FOLDABLE = new RegExp(
  [
    `[\\u00a0\\u00b2\\u00b3\\u00b9\\u2000-\\u2015\\u2024\\u202f\\u205f\\u2070\\u2074-\\u2079\\u2212\\u24ea\\u24ff\\u3000\\u3002\\ufe52\\ufe58\\ufe63\\ufe6b\\uff00-\\uff5e\\uff61${INVISIBLE_CLASS}`,
    ...ZEROS.map((zero) => `${hex(zero)}-${hex(zero + 9)}`),
    ...ONES.map((one) => `${hex(one)}-${hex(one + 8)}`),
    ']|\\udb40[\\udc00-\\uddef]|\\ud835[\\udfce-\\udfff]|%40|&(?:commat|#0{0,4}64|#x0{0,4}40);|\\\\u0040|\\\\x40',
  ].join(''),
  'g',
);
/** Most texts have none of what may be replaced. */
const MAY_FOLD = /[\u0080-\uffff%&\\]/;

/**
 * Replaces decimal digits of other scripts, fullwidth forms, dashes, spaces and escapes of `@` by their ASCII counterparts, and
 * removes invisible characters. Texts without any of these are returned as they are.
 */
export function fold(text: string): FoldedText {
  if (!MAY_FOLD.test(text)) return { text, originalIndex: same };
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
  if (ESCAPED_AT.test(character)) return '@';
  const single = SINGLE[character];
  if (single !== undefined) return single;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x1d7ce) return String((code - 0x1d7ce) % 10);
  if (code > 0xff00) return String.fromCharCode(code - 0xfee0);
  if (code >= 0x2074 && code <= 0x2079) return String(code - 0x2070);
  const zero = ZEROS.find((first) => code >= first && code <= first + 9);
  if (zero !== undefined) return String(code - zero);
  const one = ONES.find((first) => code >= first && code <= first + 8);
  if (one !== undefined) return String(code - one + 1);
  if ((code >= 0x2010 && code <= 0x2015) || code === 0x2212 || code === 0xfe58 || code === 0xfe63) return '-';
  return ' ';
}
