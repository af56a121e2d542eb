/**
 * The simulator's tokens: up to 16 letters, digits and underscores, or one other visible character, each with the white
 * space before it. A Han, kana or Hangul character is one token, and so is white space at the end. The joined tokens are
 * the text.
 */
const MAX_WORD = 16;

const WORD_RUN =
  /[[\p{L}\p{M}\p{N}_]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]]+/gv;
const WORD_CHARACTER = new RegExp(`^${WORD_RUN.source}$`, 'v');
const SPACE_RUN = /\s+/gv;

const SPACE = 1;
const WORD = 2;
/** Classes of UTF-16 units; 0 for a unit that is one token. A lookup is ten times as fast as a pattern. */
const CLASSES = classesOfUnits();

function classesOfUnits(): Uint8Array {
  const units = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).join('');
  const classes = new Uint8Array(units.length);
  for (const { 0: run, index } of units.matchAll(WORD_RUN)) classes.fill(WORD, index, index + run.length);
  for (const { 0: run, index } of units.matchAll(SPACE_RUN)) classes.fill(SPACE, index, index + run.length);
  return classes;
}

/** @returns the index behind the token that begins at `start` */
function tokenEnd(text: string, start: number): number {
  let at = start;
  while (CLASSES[text.charCodeAt(at)] === SPACE) at += 1;
  if (at >= text.length) return text.length;
  const first = at;
  for (let length = 0; length < MAX_WORD; length += 1) {
    const size = wordUnits(text, at);
    if (size === 0) break;
    at += size;
  }
  return at > first ? at : at + unitsAt(text, at);
}

/** @returns the number of UTF-16 units of the word character at an index; 0 for another character */
function wordUnits(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  const isSurrogate = unit >= 0xd800 && unit <= 0xdfff;
  if (!isSurrogate) return CLASSES[unit] === WORD ? 1 : 0;
  const character = String.fromCodePoint(text.codePointAt(at) ?? unit);
  return character.length === 2 && WORD_CHARACTER.test(character) ? 2 : 0;
}

function unitsAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/** Generates the tokens of a text. */
export function* tokensOf(text: string): Generator<string, undefined> {
  for (let at = 0; at < text.length; ) {
    const end = tokenEnd(text, at);
    yield text.slice(at, end);
    at = end;
  }
}

/** Splits a text into tokens. */
export function tokenize(text: string): string[] {
  return [...tokensOf(text)];
}

/** @returns the number of tokens of a text */
export function countTokens(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at = tokenEnd(text, at)) count += 1;
  return count;
}

/** Generates the tokens of a text that arrives in pieces of whole characters. */
export function* tokensOfPieces(pieces: Iterable<string>): Generator<string, undefined> {
  let rest = '';
  for (const piece of pieces) {
    rest += piece;
    // The last token may continue in the next piece.
    let at = 0;
    for (let end = tokenEnd(rest, 0); end < rest.length; end = tokenEnd(rest, at)) {
      yield rest.slice(at, end);
      at = end;
    }
    rest = rest.slice(at);
  }
  yield* tokensOf(rest);
}

/** The reason for the end of a text. */
export type EndReason = 'stop' | 'length';

/**
 * Applies the client's limits to a response: at most `limit` tokens, and no text from the first stop sequence. A stop
 * sequence that the token limit cuts does not count.
 * @param stop none of them empty
 * @returns the reason for the end
 */
export function* limitTokens(
  tokens: Iterable<string>,
  limit: number | undefined,
  stop: readonly string[],
): Generator<string, EndReason> {
  const search = new StopSearch(stop);
  let count = 0;
  let reason: EndReason = 'stop';
  for (const token of tokens) {
    if (count === limit) {
      reason = 'length';
      break;
    }
    count += 1;
    if (stop.length === 0) {
      yield token;
      continue;
    }
    search.add(token);
    yield* search.release();
    if (search.isFound) return 'stop';
  }
  return (yield* search.end()) ? 'stop' : reason;
}

/**
 * Generates the first half of some tokens, rounded up.
 * @param generate generates the tokens from the beginning each time
 */
export function* firstHalf(generate: () => Iterator<string, unknown>): Generator<string, undefined> {
  // One pass is ahead by half, so that the length need not be known.
  const ahead = generate();
  const behind = generate();
  for (let next = ahead.next(); next.done !== true; next = ahead.next()) {
    const token = behind.next();
    if (token.done === true) return;
    yield token.value;
    if (ahead.next().done === true) return;
  }
}

/** One stop sequence, searched by the algorithm of Knuth, Morris and Pratt: each character is looked at once. */
class StopSequence {
  /** Units of the sequence that the text ends with. */
  matched = 0;
  /** By length of a match: the length of the next shorter one that it ends with. */
  readonly #shorter: Int32Array;

  constructor(private readonly sequence: string) {
    this.#shorter = new Int32Array(sequence.length + 1);
    let length = 0;
    for (let at = 1; at < sequence.length; at += 1) {
      while (length > 0 && sequence.charCodeAt(at) !== sequence.charCodeAt(length)) {
        length = this.#shorter[length] ?? 0;
      }
      if (sequence.charCodeAt(at) === sequence.charCodeAt(length)) length += 1;
      this.#shorter[at + 1] = length;
    }
  }

  /** @returns the length of the sequence when the unit completes it, else 0 */
  add(unit: number): number {
    const { sequence } = this;
    while (this.matched > 0 && sequence.charCodeAt(this.matched) !== unit) {
      this.matched = this.#shorter[this.matched] ?? 0;
    }
    if (sequence.charCodeAt(this.matched) === unit) this.matched += 1;
    if (this.matched < sequence.length) return 0;
    this.matched = this.#shorter[this.matched] ?? 0;
    return sequence.length;
  }
}

/** Holds tokens back while they may belong to a stop sequence. */
class StopSearch {
  /** The first match begins before every other one that is still possible. */
  isFound = false;
  readonly #sequences: readonly StopSequence[];
  readonly #held: string[] = [];
  /** Index of the first token that is held. */
  #head = 0;
  /** Units before that token, and in all. */
  #released = 0;
  #length = 0;
  /** Units before the first stop sequence. */
  #start = Number.POSITIVE_INFINITY;

  constructor(stop: readonly string[]) {
    this.#sequences = stop.map((sequence) => new StopSequence(sequence));
  }

  add(token: string): void {
    this.#held.push(token);
    for (let at = 0; at < token.length; at += 1) {
      this.#length += 1;
      for (const sequence of this.#sequences) {
        const length = sequence.add(token.charCodeAt(at));
        if (length > 0) this.#start = Math.min(this.#start, this.#length - length);
      }
      if (this.#start <= this.#earliestOpen()) {
        this.isFound = true;
        return;
      }
    }
  }

  /** Generates the tokens that cannot belong to a stop sequence. */
  *release(): Generator<string, undefined> {
    yield* this.#upTo(Math.min(this.#start, this.#earliestOpen()), this.isFound);
  }

  /** Generates the rest. @returns whether a stop sequence ended the text */
  *end(): Generator<string, boolean> {
    const isCut = this.#start < Number.POSITIVE_INFINITY;
    yield* this.#upTo(this.#start, isCut);
    return isCut;
  }

  /** @returns the units before the first sequence that may still be completed */
  #earliestOpen(): number {
    let earliest = this.#length;
    for (const { matched } of this.#sequences) earliest = Math.min(earliest, this.#length - matched);
    return earliest;
  }

  *#upTo(units: number, cuts: boolean): Generator<string, undefined> {
    for (let token = this.#held[this.#head]; token !== undefined; token = this.#held[this.#head]) {
      const room = units - this.#released;
      if (room < token.length) {
        if (cuts && room > 0) yield token.slice(0, room);
        return;
      }
      this.#head += 1;
      this.#released += token.length;
      yield token;
    }
    this.#held.length = 0;
    this.#head = 0;
  }
}
