import { ByteSlice } from '../../core/byte-slice.ts';
import type { PiecesBuilder } from '../../core/pieces.ts';

/** What the full reading of an event tells: its words, and the event that goes to the client. */
export interface Example {
  /** Everything in it that counts as the answer's text. */
  readonly words: readonly string[];
  /** The whole block, with the empty line behind it. */
  readonly out: string;
}

const STRING = /"(?:[^"\\]|\\.)*"/g;
const QUOTE = 34;
const BACKSLASH = 92;
/** Texts that vary, at most: more would be another kind of stream. */
const MAX_HOLES = 4;
/** So often in a row it is tried to learn, until what was learned has been of use. */
const MAX_LESSONS = 8;
const USEFUL_AFTER = 16;
/** Characters. Longer events, such as those with pictures in them, are no words, and would take long to compare. */
const MAX_LEARNED = 8 * 1024;

const encoder = new TextEncoder();

/**
 * Nearly all events of a stream differ from the one before in their words only. From two of them it is learned where these
 * stand, in what comes and in what goes out; whatever looks the same after that needs neither to be parsed as JSON nor to
 * be edited. Anything else is read in full, as are the events that it is learned from.
 */
export class EventPatterns {
  #pattern: EventPattern | undefined;
  #previous: string | undefined;
  #lessons = 0;
  #uses = 0;

  /** @param maxLessons 0 for learning nothing */
  constructor(private readonly maxLessons = MAX_LESSONS) {}

  /**
   * Adds what the client gets for this event to `out`.
   * @returns its words, or undefined when it has to be read in full; nothing was added then
   */
  apply(block: ByteSlice, out: PiecesBuilder): string | undefined {
    const words = this.#pattern?.apply(block, out);
    if (words !== undefined && this.#lessons > 0) {
      this.#uses += 1;
      if (this.#uses >= USEFUL_AFTER) this.#lessons = 0;
    }
    return words;
  }

  /**
   * Looks at an event that was read in full.
   * @param text its JSON
   * @param read reads another event of the same stream in full; undefined when it says more than words
   */
  learn(text: string, read: (text: string) => Example | undefined): void {
    const previous = this.#previous;
    this.#previous = text.length > MAX_LEARNED ? undefined : text;
    if (previous === undefined || text.length > MAX_LEARNED || this.#lessons >= this.maxLessons) return;
    this.#lessons += 1;
    this.#uses = 0;
    this.#pattern = patternOf(previous, text, read) ?? this.#pattern;
  }
}

/** One kind of event: the text between its holes, and which hole holds the words. Holes are JSON strings without quotes. */
class EventPattern {
  readonly #parts: readonly Buffer[];
  readonly #words: number;
  readonly #out: readonly (Uint8Array | number)[];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** The string that was last looked at is ASCII without escapes. */
  #isPlain = false;

  /** @param out what goes to the client: texts, and the numbers of the holes between them */
  constructor(parts: readonly Buffer[], words: number, out: readonly (Uint8Array | number)[]) {
    this.#parts = parts;
    this.#words = words;
    this.#out = out;
  }

  apply(block: ByteSlice, out: PiecesBuilder): string | undefined {
    const { buffer, to } = block;
    const parts = this.#parts;
    const last = parts.length - 1;
    let at = block.from;
    let words: string | undefined;
    for (let index = 0; index <= last; index += 1) {
      const part = parts[index];
      if (!part || at + part.length > to) return undefined;
      if (buffer.compare(part, 0, part.length, at, at + part.length) !== 0) return undefined;
      at += part.length;
      if (index === last) break;
      const end = this.#endOfString(buffer, at, to);
      if (end < 0) return undefined;
      const text = this.#isPlain ? buffer.toString('latin1', at, end) : stringBetween(buffer, at, end);
      if (text === undefined) return undefined;
      if (index === this.#words) words = text;
      // Where something else is said by nothing at all, it may mean something.
      else if (text === '') return undefined;
      this.#starts[index] = at;
      this.#ends[index] = end;
      at = end;
    }
    if (at !== to) return undefined;
    for (const piece of this.#out) {
      out.add(
        typeof piece === 'number'
          ? new ByteSlice(buffer, this.#starts[piece] ?? 0, this.#ends[piece] ?? 0)
          : piece,
      );
    }
    return words;
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

/** The value of a JSON string without its quotes; undefined when it is none. */
function stringBetween(buffer: Buffer, from: number, to: number): string | undefined {
  if (from === to) return '';
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

interface Token {
  readonly text: string;
  /** Of its first character behind the quote. */
  readonly from: number;
  readonly to: number;
  readonly isName: boolean;
}

function stringsOf(json: string): Token[] {
  return [...json.matchAll(STRING)].map((match) => {
    const from = match.index + 1;
    const to = from + match[0].length - 2;
    return { text: json.slice(from, to), from, to, isName: /^\s*:/.test(json.slice(to + 1, to + 9)) };
  });
}

/** One piece more than there are holes. */
function textBetween(json: string, holes: readonly Token[]): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const hole of holes) {
    parts.push(json.slice(at, hole.from));
    at = hole.to;
  }
  parts.push(json.slice(at));
  return parts;
}

function patternOf(
  first: string,
  second: string,
  read: (text: string) => Example | undefined,
): EventPattern | undefined {
  const before = stringsOf(first);
  const tokens = stringsOf(second);
  if (before.length !== tokens.length) return undefined;
  const varies = (token: Token, index: number) =>
    token.text !== (tokens[index] === token ? before : tokens)[index]?.text;
  const holes = tokens.filter(varies);
  if (holes.length === 0 || holes.length > MAX_HOLES || holes.some(({ isName }) => isName)) return undefined;
  const parts = textBetween(second, holes);
  const same = textBetween(first, before.filter(varies));
  if (parts.some((part, index) => part !== same[index])) return undefined;
  let salt = 'hole';
  while (second.includes(salt)) salt += '-';
  const markers = holes.map((_, hole) => `weir-${salt}-${hole}`);
  const example = read(parts.map((part, index) => part + (markers[index] ?? '')).join(''));
  // Exactly one of them is the words, and nothing else is.
  if (example?.words.length !== 1) return undefined;
  const words = markers.indexOf(example.words[0] ?? '');
  if (words < 0) return undefined;
  const out = cutAt(example.out, markers);
  if (!out) return undefined;
  return new EventPattern(
    parts.map((part, index) => Buffer.from(index === 0 ? `data: ${part}` : part)),
    words,
    out,
  );
}

/** The text in pieces, with the numbers of the markers in the places of these; undefined where one comes twice. */
function cutAt(text: string, markers: readonly string[]): (Uint8Array | number)[] | undefined {
  const places = markers
    .map((mark, hole) => ({ hole, at: text.indexOf(mark), length: mark.length }))
    .filter(({ at }) => at >= 0)
    .sort((left, right) => left.at - right.at);
  const pieces: (Uint8Array | number)[] = [];
  let from = 0;
  for (const { hole, at, length } of places) {
    if (text.indexOf(markers[hole] ?? '', at + 1) >= 0) return undefined;
    pieces.push(encoder.encode(text.slice(from, at)), hole);
    from = at + length;
  }
  pieces.push(encoder.encode(text.slice(from)));
  return pieces;
}
