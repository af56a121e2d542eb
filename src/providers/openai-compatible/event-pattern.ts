import type { AnswerText } from '../../core/answer-text.ts';
import { ByteSlice } from '../../core/byte-slice.ts';
import { Pieces } from '../../core/pieces.ts';
import { hasEmptyLine } from '../../core/sse.ts';

/** A place in an event: so many bytes behind its beginning (0), or behind the end of the hole before (1, 2, ...). */
export interface Place {
  readonly anchor: number;
  readonly offset: number;
}

/** A part of what comes that goes out as it is. */
export interface Kept {
  readonly from: Place;
  readonly to: Place;
}

/** What a hole holds: the words, another text, or one of the stream's constants, by its number. */
export type Hole = 'words' | 'other' | number;

const QUOTE = 34;
const BACKSLASH = 92;

/** Of the event that is being looked at: its beginning, and the ends of its holes. Shared, since it is always at hand so. */
const anchors: number[] = [];

/**
 * One kind of event: the text between its holes, and what these hold. Holes are JSON strings without quotes, or what is the
 * same in all events of a stream and differs between streams. What goes out is taken from what has come as far as it can
 * be: that is at hand, and goes in few pieces.
 */
export class EventPattern {
  /** What stands before, between and behind the holes, one after the other. */
  readonly #text: Buffer;
  /** Where in it each of them begins, and where the last one ends. */
  readonly #bounds: readonly number[];
  readonly #holes: readonly Hole[];
  readonly #out: readonly (Kept | ByteSlice)[];
  /** The string that was last looked at is ASCII without escapes. */
  #isPlain = false;

  /**
   * @param parts of the whole block, without the empty line behind it: one more than there are holes
   * @param out what goes to the client; the empty line may be part of what is kept
   */
  constructor(parts: readonly Buffer[], holes: readonly Hole[], out: readonly (Kept | ByteSlice)[]) {
    this.#text = Buffer.concat(parts);
    let at = 0;
    this.#bounds = [0, ...parts.map(({ length }) => (at += length))];
    this.#holes = holes;
    this.#out = out;
  }

  /**
   * @param constants of the stream, as they stand in its events
   * @returns what goes to the client, with the words added to `answer`; undefined for any other kind of event
   */
  apply(block: ByteSlice, constants: readonly Buffer[], answer: AnswerText): Pieces | undefined {
    const { buffer, to } = block;
    const holes = this.#holes;
    const bounds = this.#bounds;
    let at = block.from;
    anchors[0] = at;
    let wordsFrom = at;
    let wordsTo = at;
    let words: string | undefined;
    for (let index = 0; ; index += 1) {
      const from = bounds[index] ?? 0;
      at = behind(buffer, at, to, this.#text, from, bounds[index + 1] ?? 0);
      if (at < 0) return undefined;
      const hole = holes[index];
      if (hole === undefined) break;
      if (typeof hole === 'number') {
        const constant = constants[hole];
        at = constant ? behind(buffer, at, to, constant, 0, constant.length) : -1;
        if (at < 0) return undefined;
      } else {
        const end = this.#endOfString(buffer, at, to);
        if (end < 0) return undefined;
        const text = this.#isPlain ? undefined : stringBetween(buffer, at, end);
        if (!this.#isPlain && text === undefined) return undefined;
        if (hole === 'words') {
          words = text;
          wordsFrom = at;
          wordsTo = end;
        } else if (end === at) {
          // Where something else is said by nothing at all, it may mean something.
          return undefined;
        }
        at = end;
      }
      anchors[index + 1] = at;
    }
    if (at !== to || !hasEmptyLine(block)) return undefined;
    if (words === undefined) answer.addAscii(buffer, wordsFrom, wordsTo);
    else answer.add(words);
    return this.#rendered(buffer);
  }

  #rendered(buffer: Buffer): Pieces {
    const list: ByteSlice[] = [];
    let length = 0;
    for (const piece of this.#out) {
      const slice =
        piece instanceof ByteSlice
          ? piece
          : new ByteSlice(
              buffer,
              (anchors[piece.from.anchor] ?? 0) + piece.from.offset,
              (anchors[piece.to.anchor] ?? 0) + piece.to.offset,
            );
      list.push(slice);
      length += slice.to - slice.from;
    }
    return new Pieces(list, length);
  }

  /** Where the string ends that `from` is within: the place of its quote, or -1. Notes whether it is plain. */
  #endOfString(buffer: Buffer, from: number, to: number): number {
    this.#isPlain = true;
    for (let at = from; at < to; at += 1) {
      const byte = buffer[at] ?? 0;
      if (byte === QUOTE) return at;
      if (byte === BACKSLASH) {
        this.#isPlain = false;
        at += 1;
      } else if (byte < 32) return -1;
      else if (byte > 127) this.#isPlain = false;
    }
    return -1;
  }
}

/** Where bytes end that stand at `at`: those of `text` from `from` to `end`; -1 where they do not stand there. */
function behind(buffer: Buffer, at: number, to: number, text: Buffer, from: number, end: number): number {
  const next = at + end - from;
  return next <= to && buffer.compare(text, from, end, at, next) === 0 ? next : -1;
}

/** The value of a JSON string without its quotes; undefined when it is none. */
function stringBetween(buffer: Buffer, from: number, to: number): string | undefined {
  try {
    const text = new ByteSlice(buffer, from, to).text();
    if (!text.includes('\\')) return text;
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === 'string' ? value : undefined;
  } catch {
    // Not JSON, or not UTF-8: who reads it in full says which.
    return undefined;
  }
}
