import type { ByteSlice } from './byte-slice.ts';

/** Text is UTF-8. */
export type BufferPart = ByteSlice | string;

/** Bytes that come in pieces, and are put together only where they leave the gateway. */
export class BufferList {
  readonly list: readonly BufferPart[];
  /** In bytes. */
  readonly length: number;

  /** @param length of all of them, in bytes */
  constructor(list: readonly BufferPart[], length: number) {
    this.list = list;
    this.length = length;
  }

  static of(piece: BufferPart): BufferList {
    return new BufferList([piece], byteLength(piece));
  }

  joined(): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.length);
    let at = 0;
    for (const piece of this.list) at += copyPart(piece, whole, at);
    return whole;
  }
}

/** Collects pieces. */
export class BufferListBuilder {
  #list: BufferPart[] = [];
  #length = 0;

  add(piece: BufferPart): void {
    this.#list.push(piece);
    this.#length += byteLength(piece);
  }

  /** All that was added since the last time; undefined when that is nothing. */
  take(): BufferList | undefined {
    if (this.#length === 0) return undefined;
    const pieces = new BufferList(this.#list, this.#length);
    this.#list = [];
    this.#length = 0;
    return pieces;
  }
}

function byteLength(piece: BufferPart): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
}

/** @returns how many bytes it was */
export function copyPart(piece: BufferPart, to: Buffer, at: number): number {
  if (typeof piece === 'string') return to.write(piece, at);
  return piece.buffer.copy(to, at, piece.from, piece.to);
}
