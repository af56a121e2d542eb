import { profileOf } from './text-profile.ts';

/** A text as rules read it, and what was hidden in it. */
export interface NormalisedText {
  /** In lower case and NFKC, without invisible characters. */
  readonly text: string;
  /** Number of invisible characters within words. */
  readonly invisible: number;
  /** Text in invisible characters of the block of tags; '' for none. */
  readonly hidden: string;
}

const INVISIBLE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: the class lists single code points
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]|\udb40[\udc00-\udfff]/g;
const MAY_BE_INVISIBLE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: the class lists single code points
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\udb40]/;
/** Joiners and selectors of emoji, Arabic and Indic scripts are ordinary text. */
// biome-ignore lint/suspicious/noMisleadingCharacterClass: the class lists single code points
const ORDINARY = /[\u200c-\u200d\ufe00-\ufe0f]/;
const TAG = /\udb40[\udc20-\udc7e]/g;
/** Diacritics of Latin, Cyrillic and Greek letters. */
// biome-ignore lint/suspicious/noMisleadingCharacterClass: the class lists single code points
const MARKS = /[\u0300-\u036f\u0483-\u0487\u20d0-\u20ff]/g;
const SMALL_CAPITALS: Readonly<Record<string, string>> = {
  ...{
    ᴀ: 'a',
    ʙ: 'b',
    ᴄ: 'c',
    ᴅ: 'd',
    ᴇ: 'e',
    ꜰ: 'f',
    ɢ: 'g',
    ʜ: 'h',
    ɪ: 'i',
    ᴊ: 'j',
    ᴋ: 'k',
    ʟ: 'l',
    ᴍ: 'm',
  },
  ...{ ɴ: 'n', ᴏ: 'o', ᴘ: 'p', ʀ: 'r', ꜱ: 's', ᴛ: 't', ᴜ: 'u', ᴠ: 'v', ᴡ: 'w', ʏ: 'y', ᴢ: 'z' },
};
/** Letters of other scripts that look like Latin ones (Unicode TR 39, the common part). */
const CONFUSABLES: Readonly<Record<string, string>> = {
  ...{
    а: 'a',
    в: 'b',
    с: 'c',
    ԁ: 'd',
    е: 'e',
    ѐ: 'e',
    ё: 'e',
    ғ: 'f',
    ԍ: 'g',
    һ: 'h',
    н: 'h',
    і: 'i',
    ї: 'i',
    ј: 'j',
  },
  ...{
    к: 'k',
    ӏ: 'l',
    м: 'm',
    п: 'n',
    о: 'o',
    р: 'p',
    ԛ: 'q',
    г: 'r',
    ѕ: 's',
    т: 't',
    ц: 'u',
    ѵ: 'v',
    ԝ: 'w',
    х: 'x',
    у: 'y',
  },
  ...{
    α: 'a',
    β: 'b',
    ϲ: 'c',
    δ: 'd',
    ε: 'e',
    η: 'n',
    ι: 'i',
    κ: 'k',
    ν: 'v',
    ο: 'o',
    ρ: 'p',
    σ: 'o',
    τ: 't',
    υ: 'u',
  },
  ...{
    χ: 'x',
    γ: 'y',
    ω: 'w',
    ɡ: 'g',
    ı: 'i',
    ɑ: 'a',
    օ: 'o',
    ո: 'n',
    ս: 'u',
    հ: 'h',
    ց: 'g',
    ł: 'l',
    ø: 'o',
    đ: 'd',
  },
  ...SMALL_CAPITALS,
};
const FOREIGN =
  /[\u0131\u0142\u00f8\u0111\u0251\u0261\u0250-\u02af\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u1d00-\u1d7f\ua730-\ua7ff]/g;
const LATIN = /[a-z]/;
/** Enclosed and regional letters, which NFKC leaves: 🄰 and 🅰, 🇦. */
const ENCLOSED = /\ud83c[\udd30-\udd49\udd50-\udd69\udd70-\udd89\udde6-\uddff]/g;

/** Removes what hides words from patterns. Plain ASCII costs a test and a copy in lower case. */
export function normalise(original: string): NormalisedText {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII
  if (/^[\x00-\x7f]*$/.test(original)) return { text: original.toLowerCase(), invisible: 0, hidden: '' };
  let hidden = '';
  let invisible = 0;
  let text = original;
  if (MAY_BE_INVISIBLE.test(text)) {
    for (const [tag] of text.matchAll(TAG)) hidden += String.fromCharCode(tag.charCodeAt(1) - 0xdc00);
    text = text.replace(INVISIBLE, (character, index: number) => {
      if (!ORDINARY.test(character) && isWithinWord(original, index, character.length)) invisible += 1;
      return '';
    });
  }
  text = text.replace(ENCLOSED, enclosedLetter).normalize('NFKC').toLowerCase();
  text = text.normalize('NFD').replace(MARKS, '').normalize('NFC');
  return { text, invisible, hidden: hidden.toLowerCase() };
}

function isWithinWord(text: string, index: number, length: number): boolean {
  return /[A-Za-z]/.test(text.charAt(index - 1)) && /[A-Za-z]/.test(text.charAt(index + length));
}

function enclosedLetter(pair: string): string {
  const code = pair.charCodeAt(1);
  const first = code >= 0xdde6 ? 0xdde6 : code >= 0xdd70 ? 0xdd70 : code >= 0xdd50 ? 0xdd50 : 0xdd30;
  return String.fromCharCode(97 + code - first);
}

/** Another reading of a normalised text, where letters were exchanged, or separated. */
export interface Reading {
  readonly text: string;
  readonly kind: 'confusable' | 'spaced' | 'leet' | 'hyphens';
}

const SPACED_RUN = /(?<![\p{L}\p{N}])(?:[\p{L}\p{N}][ ._*|/~-]){3,400}[\p{L}\p{N}](?![\p{L}\p{N}])/gu;
const LEET: Readonly<Record<string, string>> = {
  0: 'o',
  1: 'i',
  3: 'e',
  4: 'a',
  5: 's',
  7: 't',
  8: 'b',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'l',
};
const LEET_WORD =
  /(?<![\p{L}\p{N}@$])(?=[a-z0-9@$!|]{0,20}[a-z])(?=[a-z0-9@$!|]{0,20}[0-9@$|])[a-z0-9@$!|]{2,24}(?![\p{L}\p{N}])/gu;
const HYPHENED = /(?<=\p{L})[-\u2010\u2011](?=\p{L})/gu;
/** Words of one kind that make a reading worth its time. */
const FEW = 3;
/** Separated letters that make up a word. */
const LETTERS_IN_A_ROW = 5;

/** @returns other readings of a normalised text, those that differ */
export function readingsOf(text: string): readonly Reading[] {
  const readings: Reading[] = [];
  const { isAscii, separated, leetSigns, hyphens } = profileOf(text);
  // Plain prose has none.
  if (isAscii && separated < LETTERS_IN_A_ROW && leetSigns < FEW && hyphens < FEW) return readings;
  const folded = foldConfusables(text);
  if (folded !== text) readings.push({ text: folded, kind: 'confusable' });
  const spaced = joinSpaced(folded);
  if (spaced !== folded) readings.push({ text: spaced, kind: 'spaced' });
  const leet = foldLeet(folded);
  if (leet !== folded) readings.push({ text: leet, kind: 'leet' });
  if (count(folded, HYPHENED) >= FEW) readings.push({ text: folded.replace(HYPHENED, ''), kind: 'hyphens' });
  return readings;
}

/** Replaces lookalikes in a text that has Latin letters, too: Russian or Greek alone is left as it is. */
function foldConfusables(text: string): string {
  FOREIGN.lastIndex = 0;
  if (!FOREIGN.test(text)) return text;
  FOREIGN.lastIndex = 0;
  return text.replace(/[\p{L}\p{M}]{1,200}/gu, (word) => {
    const folded = word.replace(FOREIGN, (letter) => CONFUSABLES[letter] ?? letter);
    return LATIN.test(word) || !/[^a-z]/.test(folded) ? folded : word;
  });
}

function joinSpaced(text: string): string {
  if (!/(?:[\p{L}\p{N}][ ._*|/~-]){5}/u.test(text)) return text;
  // Where words are separated by spaces, letters are by something else.
  return text.replace(SPACED_RUN, (run) => run.replace(/[._*|/~-]/.test(run) ? /[._*|/~-]/g : / /g, ''));
}

function foldLeet(text: string): string {
  if (count(text, LEET_WORD) < FEW) return text;
  return text.replace(LEET_WORD, (word) => word.replace(/[0134578@$!|]/g, (sign) => LEET[sign] ?? sign));
}

/** @returns the number of matches, up to `FEW` */
function count(text: string, pattern: RegExp): number {
  let found = 0;
  pattern.lastIndex = 0;
  while (found < FEW && pattern.exec(text)) found += 1;
  pattern.lastIndex = 0;
  return found;
}

/** @returns one word in lower case, without invisible characters and diacritics, with lookalikes as Latin letters */
export function foldWord(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII
  if (/^[\x00-\x7f]*$/.test(word)) return word.toLowerCase();
  return foldConfusables(normalise(word).text);
}
