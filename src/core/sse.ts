import { ByteCollector } from './byte-collector.ts';
import { concatBytes, copyBytes, partOf } from './bytes.ts';

/**
 * Server-sent events (https://html.spec.whatwg.org/#event-stream-interpretation): a framer that finds the blocks of a byte
 * stream, and a parser of one block's fields.
 */

const LF = 10;
const CR = 13;
const END_OF_BLOCK = Uint8Array.of(LF, LF);
const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf);
const NOTHING = new Uint8Array(0);

/** The largest block in bytes. Vendors' largest events are pictures of a few MiB. */
export const MAX_EVENT_BYTES = 32 * 1024 * 1024;

/** A block is larger than `MAX_EVENT_BYTES`: the upstream is broken or hostile. */
export class EventTooLargeError extends Error {}

/**
 * Splits a stream of server-sent events into blocks, independent of how the bytes were split on the way. It works on bytes,
 * so that no character is decoded in halves. A block is one event's lines, with LF line ends, followed by one empty line:
 * it can be forwarded as it is.
 */
export class SseFramer {
  /** The beginning of a block. */
  readonly #rest = new ByteCollector();
  #sawCr = false;
  #atStart = true;
  /** First bytes of the stream, as long as they may be a byte order mark. */
  #opening: Uint8Array = NOTHING;

  /**
   * @param bytes the next bytes of the stream, which are not modified afterwards
   * @param onBlock called for each complete block, synchronously and in order
   * @throws EventTooLargeError when a block exceeds `MAX_EVENT_BYTES`
   */
  push(bytes: Uint8Array, onBlock: (block: Uint8Array) => void): void {
    let input = this.#normalise(bytes);
    if (input.length === 0) return;
    let search = 0;
    const { length: restLength } = this.#rest;
    if (restLength > 0) {
      // Without an empty line no block is complete: the rest is neither copied nor searched again.
      if (!this.#completesBlock(input)) {
        this.#keep(input);
        return;
      }
      search = restLength - 1;
      input = concatBytes([this.#rest.take(), input]);
    }
    const { length } = input;
    let start = 0;
    for (let newline = input.indexOf(LF, search); newline >= 0; newline = input.indexOf(LF, search)) {
      if (newline === start) {
        start += 1;
        search = start;
      } else if (newline + 1 < length && input[newline + 1] === LF) {
        onBlock(partOf(input, start, newline + 2));
        start = newline + 2;
        search = start;
      } else {
        search = newline + 1;
      }
    }
    if (start < length) this.#keep(start === 0 ? input : copyBytes(input, start));
  }

  /**
   * Ends the stream.
   * @returns the lines after the last empty line, with one added; empty when there are none. The format drops such an
   *   event, but some vendors end their streams with one that is complete.
   */
  end(): Uint8Array {
    const parts = [this.#opening, this.#rest.take()].filter(({ length }) => length > 0);
    this.#opening = NOTHING;
    const last = parts.at(-1);
    if (last === undefined) return NOTHING;
    return concatBytes([...parts, last.at(-1) === LF ? END_OF_BLOCK.subarray(1) : END_OF_BLOCK]);
  }

  #keep(part: Uint8Array): void {
    this.#rest.add(part);
    if (this.#rest.length > MAX_EVENT_BYTES) {
      throw new EventTooLargeError(`an event is larger than ${MAX_EVENT_BYTES} bytes`);
    }
  }

  /** Whether the empty line that ends the waiting block is in `input`, or begins in the rest. */
  #completesBlock(input: Uint8Array): boolean {
    if (input[0] === LF && this.#rest.last === LF) return true;
    for (let at = input.indexOf(LF); at >= 0; at = input.indexOf(LF, at + 1)) {
      if (input[at + 1] === LF) return true;
    }
    return false;
  }

  /** Drops the byte order mark that may open a stream. */
  #open(bytes: Uint8Array): Uint8Array {
    const input = this.#opening.length === 0 ? bytes : concatBytes([this.#opening, bytes]);
    const matches = BYTE_ORDER_MARK.every((byte, at) => at >= input.length || input[at] === byte);
    if (matches && input.length < BYTE_ORDER_MARK.length) {
      this.#opening = input;
      return NOTHING;
    }
    this.#opening = NOTHING;
    this.#atStart = false;
    return matches ? partOf(input, BYTE_ORDER_MARK.length, input.length) : input;
  }

  /** Turns CRLF and CR into LF. */
  #normalise(bytes: Uint8Array): Uint8Array {
    const input = this.#atStart ? this.#open(bytes) : bytes;
    if (!this.#sawCr && !input.includes(CR)) return input;
    const out = new Uint8Array(input.length);
    let length = 0;
    for (const byte of input) {
      if (byte === CR) out[length++] = LF;
      else if (!(byte === LF && this.#sawCr)) out[length++] = byte;
      this.#sawCr = byte === CR;
    }
    return partOf(out, 0, length);
  }
}

/**
 * Writes an event as a block.
 * @param name of the `event` field; undefined for none
 * @param data may hold line feeds: each line gets its own `data` field
 */
export function formatEvent(name: string | undefined, data: string): string {
  const lines = data.includes('\n') ? data.replaceAll('\n', '\ndata: ') : data;
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${lines}\n\n`;
}

/** The fields of one block that gateways need. */
export interface SseEvent {
  /** Undefined when the block has no `event` field. */
  readonly event: string | undefined;
  /** Undefined when the block has no `data` field, such as a comment. */
  readonly data: string | undefined;
}

/** Parses a block: `data` lines are joined by LF, comments and other fields are skipped. */
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
