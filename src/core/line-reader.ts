import { setImmediate as nextTurn } from 'node:timers/promises';

/** A line of a file. */
export interface FileLine {
  /** From 1. */
  readonly number: number;
  /** Undefined for a line that is too long or not UTF-8. */
  readonly text: string | undefined;
}

const TAB = 9;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
/** Lines after which other work gets its turn: a read may have a million of them. */
const LINES_PER_TURN = 1_000;

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
    const text = length > maxBytes ? undefined : decoded(Buffer.concat(parts), number);
    const hasNothing = length === 0 || (text !== undefined && text.trim() === '');
    parts = [];
    length = 0;
    return hasNothing ? undefined : { number, text };
  };
  for await (const bytes of content) {
    for (let from = 0; from < bytes.length; ) {
      const at = bytes.indexOf(LINE_FEED, from);
      if (at >= 0 && length === 0 && isBlank(bytes, from, at)) {
        number += 1;
        from = at + 1;
        if (number % LINES_PER_TURN === 0) await nextTurn();
        continue;
      }
      const end = at < 0 ? bytes.length : at;
      length += end - from;
      if (length > maxBytes) parts = [];
      else if (end > from) parts.push(Uint8Array.from(bytes.subarray(from, end)));
      from = end + 1;
      if (at < 0) break;
      const next = line();
      if (next) yield next;
      if (number % LINES_PER_TURN === 0) await nextTurn();
    }
  }
  const last = length > 0 ? line() : undefined;
  if (last) yield last;
}

function isBlank(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== TAB && byte !== CARRIAGE_RETURN) return false;
  }
  return true;
}

/** A byte order mark at the beginning of a file is no part of its first line. */
function decoded(bytes: Uint8Array, number: number): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(bytes);
  } catch {
    return undefined;
  }
}
