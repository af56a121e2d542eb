import { isRecord } from '../core/json.ts';

/** Characters of a text in base64 that are not kept. */
const MAX_BASE64 = 1_024;
/** Bodies that clients nest more deeply are cut there. */
const MAX_DEPTH = 64;
const DATA_URL = /^data:([\w.+/-]{1,100})?[^,]{0,100},/;
const BASE64 = /^[A-Za-z0-9+/_=-]*$/;

/**
 * Redacts each text of a JSON value. Images and other binary content become a note of their size, because they take more
 * room than everything else and cannot be searched.
 */
export function redactedValue(value: unknown, redact: (text: string) => string, depth = 0): unknown {
  if (typeof value === 'string') return binaryNote(value) ?? redact(value);
  if (depth >= MAX_DEPTH) return '[nested too deeply]';
  if (Array.isArray(value)) return value.map((item) => redactedValue(item, redact, depth + 1));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [redact(name), redactedValue(item, redact, depth + 1)]),
  );
}

/** Characters of a text that takes longer to redact than requests may wait. */
const LONG_TEXT = 16 * 1024;

/** @returns the texts of a JSON value that are redacted in pieces, with requests in between */
export function longTexts(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') {
    return value.length > LONG_TEXT && binaryNote(value) === undefined ? [value] : [];
  }
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return [];
  return Object.values(value).flatMap((item) => longTexts(item, depth + 1));
}

function binaryNote(text: string): string | undefined {
  if (text.length < MAX_BASE64) return undefined;
  const type = DATA_URL.exec(text.slice(0, 250));
  if (type) return `[${type[1] ?? 'data'}, ${text.length} characters]`;
  return BASE64.test(text) ? `[base64, ${text.length} characters]` : undefined;
}
