import type { Warning } from '../core/warning.ts';

/** Bytes: proxies reject much longer heads. */
const MAX_LENGTH = 4_000;

/** A string of RFC 8941: printable ASCII, with quotes and backslashes escaped. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`;
}

/**
 * Warnings as a structured field list (RFC 8941), such as
 * `unsupported;param="top_k";message="..."`. A list that would be too long ends in `more;count=N`.
 */
export function warningsHeader(warnings: readonly Warning[]): string {
  let header = '';
  for (const [index, { kind, param, message }] of warnings.entries()) {
    const item = `${kind};param=${quoted(param)};message=${quoted(message)}`;
    if (header.length + item.length > MAX_LENGTH) {
      const rest = warnings.slice(index).reduce((sum, { count = 1 }) => sum + count, 0);
      return `${header}more;count=${rest}`;
    }
    header += index === warnings.length - 1 ? item : `${item}, `;
  }
  return header;
}
