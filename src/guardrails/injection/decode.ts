import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { RegexIndex } from './rule-index.ts';
import { profileOf } from './text-profile.ts';

/** UTF-16 units of one decoded text that are read. */
export const MAX_DECODED = 65_536;
/** Encoded texts in one text that are decoded. */
const MAX_CANDIDATES = 32;
/** An encoded text may be encoded again. */
const MAX_DEPTH = 3;

const BASE64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,200000}={0,2}(?![A-Za-z0-9+/])/g;
const BASE64_LINES = /(?:[A-Za-z0-9+/]{40,76}\r?\n){1,2000}[A-Za-z0-9+/]{1,76}={0,2}/g;
const BASE32 = /(?<![A-Z0-9a-z])[A-Z2-7]{24,20000}={0,6}(?![A-Za-z0-9])/g;
const HEX = /(?<![0-9a-z])(?:(?:\\x|0x|%)?[0-9a-f]{2}[\s,:;-]{0,2}){12,50000}(?![0-9a-z])/gi;
const BINARY = /(?<![01])(?:[01]{8}[\s,]{0,2}){8,20000}/g;
const DECIMAL =
  /(?<!\d)(?:(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])[\s,;]{1,2}){10,20000}(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])(?!\d)/g;
const ESCAPES = /(?:\\u[0-9a-f]{4}|\\u\{[0-9a-f]{2,6}\}){6}/i;
const ENTITIES = /(?:&#(?:x[0-9a-f]{2,6}|\d{2,7});[^&]{0,3}){6}/i;
const PERCENT = /%[0-9a-f]{2}/gi;
/** Words of attacks in ROT13, and reversed. */
const ROT13 =
  /(?<![a-z])(?:vtaber|qvfertneq|sbetrg|vafgehpgvbaf?|cerivbhf|flfgrz|cebzcg|ehyrf|erirny|thvqryvarf|orlbaq|cergraq)(?![a-z])/i;
const REVERSED = /snoitcurtsni|erongi|dragersid|tegrof|tpmorp|selur|laever|senilediug/i;
const MORSE = /(?:[.\-·–]{1,6}[ /|]{1,3}){12,5000}/g;
const MORSE_LETTERS = new Map(
  Object.entries({
    ...{
      '.-': 'a',
      '-...': 'b',
      '-.-.': 'c',
      '-..': 'd',
      '.': 'e',
      '..-.': 'f',
      '--.': 'g',
      '....': 'h',
      '..': 'i',
    },
    ...{
      '.---': 'j',
      '-.-': 'k',
      '.-..': 'l',
      '--': 'm',
      '-.': 'n',
      '---': 'o',
      '.--.': 'p',
      '--.-': 'q',
      '.-.': 'r',
    },
    ...{ '...': 's', '-': 't', '..-': 'u', '...-': 'v', '.--': 'w', '-..-': 'x', '-.--': 'y', '--..': 'z' },
  }),
);

/** ROT13 and reversed text, searched in one pass. */
const HIDDEN = new RegexIndex<'rot13' | 'reversed'>(
  [
    { value: 'rot13', pattern: ROT13 },
    { value: 'reversed', pattern: REVERSED },
  ],
  'anywhere',
);

/**
 * Decodes what is encoded in a text: base64 (also of gzip and zlib data), base32, hexadecimal, binary and decimal codes, percent
 * and HTML escapes, ROT13, Morse code and reversed text, again where the result is encoded.
 * Decodes as much as is asked for: the caller may let other work run in between.
 * @returns yields readable texts, and undefined after a text was searched; within bounds of number and size
 */
export function* decodedTexts(text: string): Generator<string | undefined> {
  let count = 0;
  let level: readonly string[] = [text];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const one of level) {
      for (const decoded of decodeOnce(one)) {
        if (count >= MAX_CANDIDATES) return;
        count += 1;
        yield decoded;
        next.push(decoded);
      }
      yield undefined;
    }
    level = next;
  }
}

function* decodeOnce(text: string): Generator<string> {
  const profile = profileOf(text);
  yield* decodeRuns(text, profile.longestRun);
  // A byte of a text has a digit as its first sign.
  if (profile.digits >= 12) yield* decodeNumbers(text, profile.digits);
  const beginning = text.length > MAX_DECODED ? text.slice(0, MAX_DECODED) : text;
  if (profile.backslashes >= 6 && ESCAPES.test(text)) {
    yield beginning.replace(/\\u\{?([0-9a-f]{2,6})\}?/gi, (_, code: string) =>
      character(Number.parseInt(code, 16)),
    );
  }
  if (profile.ampersands >= 6 && ENTITIES.test(text)) {
    yield beginning.replace(/&#(x?)([0-9a-f]{1,7});/gi, (_, x: string, code: string) =>
      character(Number.parseInt(code, x === '' ? 10 : 16)),
    );
  }
  if (profile.percents >= 6 && (beginning.match(PERCENT)?.length ?? 0) >= 6) {
    yield beginning.replace(PERCENT, (code) => character(Number.parseInt(code.slice(1), 16)));
  }
  const hidden = new Set<'rot13' | 'reversed'>();
  HIDDEN.search(text, (kind) => {
    hidden.add(kind);
    return true;
  });
  if (hidden.has('rot13')) yield rot13(beginning);
  if (hidden.has('reversed')) yield [...beginning].reverse().join('');
  if (profile.dots >= 12 || !profile.isAscii) {
    for (const [match] of limited(text, MORSE)) yield fromMorse(match);
  }
}

/** @param longestRun units of the longest run without a space */
function* decodeRuns(text: string, longestRun: number): Generator<string> {
  if (longestRun < 20) return;
  for (const [match] of limited(text, BASE64)) yield* readable(fromBase64(match));
  if (longestRun >= 40) {
    for (const [match] of limited(text, BASE64_LINES)) yield* readable(fromBase64(match));
  }
  if (longestRun >= 24) {
    for (const [match] of limited(text, BASE32)) yield* readable(fromBase32(match));
  }
}

/** @param digits in the text */
function* decodeNumbers(text: string, digits: number): Generator<string> {
  for (const [match] of limited(text, HEX))
    yield* readable(Buffer.from(match.replace(/\\x|0x|[^0-9a-f]/gi, ''), 'hex'));
  if (digits >= 64) {
    for (const [match] of limited(text, BINARY)) {
      const bytes = match.match(/[01]{8}/g) ?? [];
      yield* readable(Buffer.from(bytes.map((one) => Number.parseInt(one, 2))));
    }
  }
  if (digits < 20) return;
  for (const [match] of limited(text, DECIMAL)) {
    yield* readable(Buffer.from((match.match(/\d+/g) ?? []).map(Number)));
  }
}

function* limited(text: string, pattern: RegExp): Generator<RegExpExecArray> {
  let count = 0;
  for (const match of text.matchAll(pattern)) {
    yield match;
    count += 1;
    if (count >= MAX_CANDIDATES) return;
  }
}

function fromBase64(match: string): Buffer {
  return inflated(Buffer.from(match.slice(0, MAX_DECODED * 2), 'base64'));
}

/** @returns the content of gzip or zlib data; other data as it is */
function inflated(bytes: Buffer): Buffer {
  const [first, second] = bytes;
  const options = { maxOutputLength: MAX_DECODED };
  try {
    if (first === 0x1f && second === 0x8b) return gunzipSync(bytes, options);
    if (first === 0x78 && (second === 0x01 || second === 0x9c || second === 0xda || second === 0x5e)) {
      return inflateSync(bytes, options);
    }
    return isText(bytes) ? bytes : inflateRawSync(bytes, options);
  } catch {
    // Neither compressed, nor within the bound.
    return bytes;
  }
}

function fromBase32(match: string): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bytes: number[] = [];
  let [bits, value] = [0, 0];
  for (const sign of match.slice(0, MAX_DECODED)) {
    const index = alphabet.indexOf(sign);
    if (index < 0) break;
    value = ((value << 5) | index) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  return Buffer.from(bytes);
}

function* readable(bytes: Buffer): Generator<string> {
  if (bytes.length >= 8 && isText(bytes)) yield bytes.toString('utf8').slice(0, MAX_DECODED);
}

/** Whether nearly all of the first bytes are letters, digits, punctuation, or UTF-8. */
function isText(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 512);
  if (sample.length === 0) return false;
  let good = 0;
  for (const byte of sample) {
    if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09) good += 1;
  }
  if (good / sample.length >= 0.92) return true;
  const text = sample.toString('utf8');
  const strange = text.match(/[\ufffd\p{Cc}]/gu)?.length ?? 0;
  return good / sample.length > 0.1 && strange / text.length < 0.03;
}

function rot13(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => {
    const base = letter < 'a' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
  });
}

function fromMorse(match: string): string {
  return match
    .slice(0, MAX_DECODED)
    .replaceAll('·', '.')
    .replaceAll('–', '-')
    .split(/\s?[/|]\s?|\s{2,3}/)
    .map((word) =>
      word
        .split(' ')
        .map((sign) => MORSE_LETTERS.get(sign) ?? '')
        .join(''),
    )
    .join(' ');
}

function character(code: number): string {
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
}
