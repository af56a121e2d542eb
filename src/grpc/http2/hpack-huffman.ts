import { HpackError } from './hpack-error.ts';

/**
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length are consecutive, in the order of
 * their symbols, so that the lengths define it.
 */

/** Lengths in bits of the codes of all bytes. */
const LENGTHS = Uint8Array.of(
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
);
const MAX_LENGTH = 30;
/** Ends a text, and is never sent: the bits that fill the last byte are the first ones of its code. */
const END_OF_STRING = 256;

/** For each length: the first code, how many codes there are, and where their symbols begin. */
const FIRST = new Uint32Array(MAX_LENGTH + 1);
const COUNT = new Uint16Array(MAX_LENGTH + 1);
const OFFSET = new Uint16Array(MAX_LENGTH + 1);
const SYMBOLS = new Uint16Array(END_OF_STRING + 1);

const lengthOf = (symbol: number) => (symbol === END_OF_STRING ? MAX_LENGTH : (LENGTHS[symbol] ?? 0));
for (let length = 1, code = 0, at = 0; length <= MAX_LENGTH; length += 1) {
  code *= 2;
  FIRST[length] = code;
  OFFSET[length] = at;
  for (let symbol = 0; symbol <= END_OF_STRING; symbol += 1) {
    if (lengthOf(symbol) !== length) continue;
    SYMBOLS[at] = symbol;
    at += 1;
    code += 1;
  }
  COUNT[length] = at - (OFFSET[length] ?? 0);
}

const MAX_PADDING = 7;

/**
 * Decodes a text of a header block. Its bytes become characters one by one.
 * @throws HpackError for bits that are no code, and for a wrong end
 */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string {
  const characters: number[] = [];
  let code = 0;
  let length = 0;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + ((byte >> bit) & 1);
      length += 1;
      if (length > MAX_LENGTH) throw new HpackError('a text is not Huffman-coded');
      const index = code - (FIRST[length] ?? 0);
      if (index < 0 || index >= (COUNT[length] ?? 0)) continue;
      const symbol = SYMBOLS[(OFFSET[length] ?? 0) + index] ?? END_OF_STRING;
      if (symbol === END_OF_STRING) throw new HpackError('a text contains the end-of-string symbol');
      characters.push(symbol);
      code = 0;
      length = 0;
    }
  }
  // All bits of the code of the end-of-string symbol are 1.
  if (length > MAX_PADDING || code !== 2 ** length - 1)
    throw new HpackError('a text ends within a character');
  return textOf(characters);
}

const CHUNK = 4096;

function textOf(characters: readonly number[]): string {
  let text = '';
  for (let at = 0; at < characters.length; at += CHUNK) {
    text += String.fromCharCode(...characters.slice(at, at + CHUNK));
  }
  return text;
}
