import type { ByteSlice } from './byte-slice.ts';

/** Text is UTF-8. */
export type Piece = ByteSlice | string;

/** Bytes that come in pieces, and are put together only where they leave the gateway. */
export class Pieces {
  readonly list: readonly Piece[];
  /** In bytes. */
  readonly length: number;

  /** @param length of all of them, in bytes */
  constructor(list: readonly Piece[], length: number) {
    this.list = list;
    this.length = length;
  }

  static of(piece: Piece): Pieces {
    return new Pieces([piece], byteLength(piece));
  }

  joined(): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.length);
    let at = 0;
    for (const piece of this.list) at += copyPiece(piece, whole, at);
    return whole;
  }
}

/** Collects pieces. */
export class PiecesBuilder {
  #list: Piece[] = [];
  #length = 0;

  add(piece: Piece): void {
    this.#list.push(piece);
    this.#length += byteLength(piece);
  }

  /** All that was added since the last time; undefined when that is nothing. */
  take(): Pieces | undefined {
    if (this.#length === 0) return undefined;
    const pieces = new Pieces(this.#list, this.#length);
    this.#list = [];
    this.#length = 0;
    return pieces;
  }
}

function byteLength(piece: Piece): number {
  return typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
}

/** @returns how many bytes it was */
export function copyPiece(piece: Piece, to: Buffer, at: number): number {
  if (typeof piece === 'string') return to.write(piece, at);
  return piece.buffer.copy(to, at, piece.from, piece.to);
}
