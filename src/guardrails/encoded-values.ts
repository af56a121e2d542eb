import { gunzipSync, gzipSync } from 'node:zlib';

/** UTF-16 units of one text that are decoded at most. */
const MAX_DECODED = 1_000_000;
const MAX_VALUES = 200;
const BASE64 = /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=_-])/g;
/** What gzip data begin with, in base64. */
const GZIP = 'H4sI';
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Changes the texts that are encoded in a text, as base64 or as gzip in base64.
 * @param map changes one decoded text
 * @returns the same text where nothing changed
 */
export function mapEncodedValues(text: string, map: (value: string) => string): string {
  let [left, count] = [MAX_DECODED, 0];
  return text.replace(BASE64, (encoded) => {
    if (count >= MAX_VALUES || encoded.length > left) return encoded;
    count += 1;
    left -= encoded.length;
    const isGzip = encoded.startsWith(GZIP);
    const value = decoded(encoded, isGzip, left);
    if (value === undefined) return encoded;
    left -= value.length;
    const mapped = map(value);
    if (mapped === value) return encoded;
    return (isGzip ? gzipSync(mapped) : Buffer.from(mapped)).toString('base64');
  });
}

/** @returns the text; undefined for what is none */
function decoded(encoded: string, isGzip: boolean, maxLength: number): string | undefined {
  try {
    const bytes = Buffer.from(encoded, 'base64');
    const text = decoder.decode(
      isGzip ? gunzipSync(bytes, { maxOutputLength: Math.max(1, maxLength) }) : bytes,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what no text has
    return /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text;
  } catch {
    // Other data, or more than the bound.
    return undefined;
  }
}
