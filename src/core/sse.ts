/**
 * Cuts a byte stream of server-sent events into blocks, however the bytes were split on the way.
 * Works on bytes, so that a character split between two reads is never decoded in halves.
 * Line ends are normalised to LF (the format allows CRLF and CR too; https://html.spec.whatwg.org/#event-stream-interpretation).
 */

const LF = 10;
const CR = 13;
const EMPTY = new Uint8Array(0);
const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf);

/** No sane event is larger; a bigger one means that the upstream is broken or hostile. */
export const MAX_EVENT_BYTES = 32 * 1024 * 1024;

export class EventTooLargeError extends Error {}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) return parts[0];
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export class SseFramer {
  #rest: Uint8Array[] = [];
  #restLength = 0;
  #sawCr = false;
  #atStart = true;
  /** First bytes that may turn out to be a byte order mark. */
  #opening: Uint8Array = EMPTY;

  /**
   * @param onBlock called for each complete block, without the empty line that ends it and never empty
   * @throws EventTooLargeError when a block grows beyond `MAX_EVENT_BYTES`
   */
  push(bytes: Uint8Array, onBlock: (block: Uint8Array) => void): void {
    let input = this.#normalise(bytes);
    if (input.length === 0) return;
    let search = 0;
    if (this.#restLength > 0) {
      // Without an empty line in sight nothing can be complete: what is waiting is neither copied nor read again.
      if (!this.#completesBlock(input)) {
        this.#keep(input);
        return;
      }
      search = this.#restLength - 1;
      input = concatBytes([...this.#rest, input]);
      this.#rest = [];
      this.#restLength = 0;
    }
    let start = 0;
    for (;;) {
      const newline = input.indexOf(LF, search);
      if (newline < 0) break;
      if (newline === start) {
        start += 1;
        search = start;
      } else if (input[newline + 1] === LF) {
        onBlock(input.subarray(start, newline));
        start = newline + 2;
        search = start;
      } else {
        search = newline + 1;
      }
    }
    if (start < input.length) this.#keep(start === 0 ? input : input.slice(start));
  }

  /** What was left without its empty line when the stream ended. */
  end(): Uint8Array {
    const rest = concatBytes([this.#opening, ...this.#rest]);
    this.#opening = EMPTY;
    this.#rest = [];
    this.#restLength = 0;
    return rest;
  }

  #keep(piece: Uint8Array): void {
    this.#rest.push(piece);
    this.#restLength += piece.length;
    if (this.#restLength > MAX_EVENT_BYTES) {
      throw new EventTooLargeError(`an event is larger than ${MAX_EVENT_BYTES} bytes`);
    }
  }

  /** Whether the empty line that ends the waiting block is in `input`, or begins in what waits. */
  #completesBlock(input: Uint8Array): boolean {
    if (input[0] === LF && this.#rest.at(-1)?.at(-1) === LF) return true;
    for (let at = input.indexOf(LF); at >= 0; at = input.indexOf(LF, at + 1)) {
      if (input[at + 1] === LF) return true;
    }
    return false;
  }

  /** Drops the byte order mark that may open a stream. */
  #open(bytes: Uint8Array): Uint8Array {
    const input = concatBytes([this.#opening, bytes]);
    const matches = BYTE_ORDER_MARK.every((byte, at) => at >= input.length || input[at] === byte);
    if (matches && input.length < BYTE_ORDER_MARK.length) {
      this.#opening = input;
      return EMPTY;
    }
    this.#opening = EMPTY;
    this.#atStart = false;
    return matches ? input.subarray(BYTE_ORDER_MARK.length) : input;
  }

  #normalise(bytes: Uint8Array): Uint8Array {
    const input = this.#atStart ? this.#open(bytes) : bytes;
    if (!this.#sawCr && input.indexOf(CR) < 0) return input;
    const out = new Uint8Array(input.length);
    let length = 0;
    for (const byte of input) {
      if (byte === CR) out[length++] = LF;
      else if (!(byte === LF && this.#sawCr)) out[length++] = byte;
      this.#sawCr = byte === CR;
    }
    return out.subarray(0, length);
  }
}

/** One block's fields. `data` is `undefined` for a block of comments only. */
export interface SseEvent {
  readonly event: string | undefined;
  readonly data: string | undefined;
}

/** Reads a block's text by the rules of the format: repeated `data` lines are joined by LF, comments are skipped. */
export function parseBlock(text: string): SseEvent {
  let event: string | undefined;
  let data: string | undefined;
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (field === 'event') event = value;
  }
  return { event, data };
}
