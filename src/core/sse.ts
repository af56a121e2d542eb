import type { BufferListBuilder } from './buffer-list.ts';
import { ByteSlice, joinSlices, NO_BYTES } from './byte-slice.ts';

/**
 * Cuts a byte stream of server-sent events into blocks, however the bytes were split on the way.
 * Works on bytes, so that a character split between two reads is never decoded in halves.
 * Line ends are normalised to LF (the format allows CRLF and CR too; https://html.spec.whatwg.org/#event-stream-interpretation).
 */

/** The empty line behind a block, with the end of the line before. */
export const END_OF_BLOCK = '\n\n';

const LF = 10;
const CR = 13;
const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf);

/** No sane event is larger; a bigger one means that the upstream is broken or hostile. */
export const MAX_EVENT_BYTES = 32 * 1024 * 1024;

export class EventTooLargeError extends Error {}

export class SseFramer {
  #rest: ByteSlice[] = [];
  #restLength = 0;
  #sawCr = false;
  #atStart = true;
  /** First bytes that may turn out to be a byte order mark. */
  #opening = NO_BYTES;

  /**
   * @param onBlock called for each complete block, without the empty line that ends it and never empty
   * @throws EventTooLargeError when a block grows beyond `MAX_EVENT_BYTES`
   */
  push(bytes: ByteSlice, onBlock: (block: ByteSlice) => void): void {
    let input = this.#normalise(bytes);
    if (input.length === 0) return;
    let search = input.from;
    if (this.#restLength > 0) {
      // Without an empty line in sight nothing can be complete: what is waiting is neither copied nor read again.
      if (!this.#completesBlock(input)) {
        this.#keep(input);
        return;
      }
      search = this.#restLength - 1;
      input = joinSlices([...this.#rest, input]);
      this.#rest = [];
      this.#restLength = 0;
    }
    const { buffer, from, to } = input;
    let start = from;
    for (;;) {
      const newline = buffer.indexOf(LF, search);
      if (newline < 0 || newline >= to) break;
      if (newline === start) {
        start += 1;
        search = start;
      } else if (newline + 1 < to && buffer[newline + 1] === LF) {
        onBlock(new ByteSlice(buffer, start, newline));
        start = newline + 2;
        search = start;
      } else {
        search = newline + 1;
      }
    }
    if (start < to) this.#keep(start === from ? input : new ByteSlice(buffer, start, to).copy());
  }

  /**
   * What was left without its empty line when the stream ended. The format drops such an event; vendors do end that way, so
   * a whole one is worth a look.
   */
  end(): ByteSlice {
    const { buffer, from, to } = joinSlices([this.#opening, ...this.#rest]);
    this.#opening = NO_BYTES;
    this.#rest = [];
    this.#restLength = 0;
    return new ByteSlice(buffer, from, to > from && buffer[to - 1] === LF ? to - 1 : to);
  }

  #keep(piece: ByteSlice): void {
    this.#rest.push(piece);
    this.#restLength += piece.length;
    if (this.#restLength > MAX_EVENT_BYTES) {
      throw new EventTooLargeError(`an event is larger than ${MAX_EVENT_BYTES} bytes`);
    }
  }

  /** Whether the empty line that ends the waiting block is in `input`, or begins in what waits. */
  #completesBlock({ buffer, from, to }: ByteSlice): boolean {
    const last = this.#rest.at(-1);
    if (buffer[from] === LF && last && last.buffer[last.to - 1] === LF) return true;
    for (let at = buffer.indexOf(LF, from); at >= 0 && at + 1 < to; at = buffer.indexOf(LF, at + 1)) {
      if (buffer[at + 1] === LF) return true;
    }
    return false;
  }

  /** Drops the byte order mark that may open a stream. */
  #open(bytes: ByteSlice): ByteSlice {
    const input = this.#opening.length === 0 ? bytes : joinSlices([this.#opening, bytes]);
    const { buffer, from, to } = input;
    const matches = BYTE_ORDER_MARK.every((byte, at) => at >= input.length || buffer[from + at] === byte);
    if (matches && input.length < BYTE_ORDER_MARK.length) {
      this.#opening = input;
      return NO_BYTES;
    }
    this.#opening = NO_BYTES;
    this.#atStart = false;
    return matches ? new ByteSlice(buffer, from + BYTE_ORDER_MARK.length, to) : input;
  }

  #normalise(bytes: ByteSlice): ByteSlice {
    const input = this.#atStart ? this.#open(bytes) : bytes;
    const { buffer, from, to } = input;
    if (!this.#sawCr) {
      const at = buffer.indexOf(CR, from);
      if (at < 0 || at >= to) return input;
    }
    const out = Buffer.allocUnsafeSlow(input.length);
    let length = 0;
    for (const byte of input.view()) {
      if (byte === CR) out[length++] = LF;
      else if (!(byte === LF && this.#sawCr)) out[length++] = byte;
      this.#sawCr = byte === CR;
    }
    return new ByteSlice(out, 0, length);
  }
}

/** Whether the empty line stands behind a block; it does not, behind what a stream has ended with. */
function hasEmptyLine({ buffer, to }: ByteSlice): boolean {
  return buffer[to] === LF && buffer[to + 1] === LF;
}

/** Adds a block as it has come, with its empty line. */
export function forwardBlock(block: ByteSlice, out: BufferListBuilder): void {
  if (hasEmptyLine(block)) {
    out.add(new ByteSlice(block.buffer, block.from, block.to + END_OF_BLOCK.length));
  } else {
    out.add(block);
    out.add(END_OF_BLOCK);
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
