import { copyBytes } from '../../core/bytes.ts';
import { ConnectionError, content, ERROR, FLAG, type Frame } from './frames.ts';
import { type HeaderEntry, HpackDecoder } from './hpack-decoder.ts';

/** Bytes of names and values of one header list, with 32 for each entry; compressed, the same. */
export const MAX_HEADER_LIST = 16 * 1024;

/** A header list that has arrived. */
export interface HeaderList {
  readonly stream: number;
  readonly endStream: boolean;
  /** Undefined where it is too large. */
  readonly entries: readonly HeaderEntry[] | undefined;
}

interface OpenBlock {
  readonly stream: number;
  readonly endStream: boolean;
  readonly parts: Uint8Array[];
  length: number;
}

/** Joins the header blocks of one connection from their frames, and decodes them. */
export class HeaderBlocks {
  readonly #hpack = new HpackDecoder();
  #block: OpenBlock | undefined;

  /** A block has not arrived to its end: only its next frame may follow. */
  get isOpen(): boolean {
    return this.#block !== undefined;
  }

  /** @returns the list where this frame is its last. @throws ConnectionError, HpackError */
  headers(next: Frame): HeaderList | undefined {
    if (next.stream % 2 === 0) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a stream of a client has an odd number');
    }
    const part = content(next);
    const { stream, flags } = next;
    const endStream = (flags & FLAG.END_STREAM) !== 0;
    if (flags & FLAG.END_HEADERS) return this.#decoded(stream, endStream, part);
    this.#block = { stream, endStream, parts: [copyBytes(part)], length: part.length };
    return undefined;
  }

  /** @returns the list where this frame is its last. @throws ConnectionError, HpackError */
  continuation({ stream, flags, payload }: Frame): HeaderList | undefined {
    const block = this.#block;
    if (!block || block.stream !== stream) {
      throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a CONTINUATION frame continues no header block');
    }
    block.parts.push(copyBytes(payload));
    block.length += payload.length;
    if (block.length > MAX_HEADER_LIST) {
      const problem = `a header block is larger than ${MAX_HEADER_LIST} bytes`;
      throw new ConnectionError(ERROR.ENHANCE_YOUR_CALM, problem);
    }
    if (!(flags & FLAG.END_HEADERS)) return undefined;
    this.#block = undefined;
    return this.#decoded(stream, block.endStream, Buffer.concat(block.parts));
  }

  #decoded(stream: number, endStream: boolean, block: Uint8Array): HeaderList {
    return { stream, endStream, entries: this.#hpack.decode(block, MAX_HEADER_LIST) };
  }
}
