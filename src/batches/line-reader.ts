/** A line of a file. */
export interface FileLine {
  /** From 1. */
  readonly number: number;
  /** Undefined for a line that is too long or not UTF-8. */
  readonly text: string | undefined;
}

const LINE_FEED = 10;

/**
 * Reads lines as they arrive. Blank lines count, and are left out.
 * @param maxBytes of one line; the rest of a longer one is not kept
 */
export async function* linesOf(
  content: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<FileLine> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let number = 0;
  const line = (): FileLine | undefined => {
    number += 1;
    if (length === 0) return undefined;
    const text = length > maxBytes ? undefined : decoded(Buffer.concat(parts), number);
    const isBlank = text !== undefined && text.trim() === '';
    parts = [];
    length = 0;
    return isBlank ? undefined : { number, text };
  };
  for await (const bytes of content) {
    for (let from = 0; from < bytes.length; ) {
      const at = bytes.indexOf(LINE_FEED, from);
      const end = at < 0 ? bytes.length : at;
      length += end - from;
      if (length <= maxBytes) parts.push(Uint8Array.from(bytes.subarray(from, end)));
      else parts = [];
      from = end + 1;
      if (at < 0) break;
      const next = line();
      if (next) yield next;
    }
  }
  const last = length > 0 ? line() : undefined;
  if (last) yield last;
}

/** A byte order mark at the beginning of a file is no part of its first line. */
function decoded(bytes: Uint8Array, number: number): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(bytes);
  } catch {
    return undefined;
  }
}
