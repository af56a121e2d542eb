import { concatBytes, decodeUtf8, encodeUtf8 } from '../../core/bytes.ts';

/** The wire format of protocol buffers. @see https://protobuf.dev/programming-guides/encoding/ */

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const GROUP = 3;
export const GROUP_END = 4;
export const FIXED32 = 5;

/** Bytes that are not a message of the expected type. The message is for the client. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const MAX_VARINT_BYTES = 10;
const TWO_32 = 4_294_967_296;

/** Reads values from bytes that are not trusted. */
export class WireReader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** The two halves of the last varint. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** @returns the lower 32 bits of a varint */
  uint32(): number {
    this.#varint();
    return this.#low;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** @returns a number where it is exact */
  uint64(): number | bigint {
    this.#varint();
    return exact(this.#high, this.#low);
  }

  /** @returns a number where it is exact */
  int64(): number | bigint {
    this.#varint();
    return exact(this.#high | 0, this.#low);
  }

  double(): number {
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }

  float(): number {
    const at = this.#take(4);
    return this.#view.getFloat32(at, true);
  }

  /** @returns a part of the message, which is not copied */
  bytes(): Uint8Array {
    const length = this.uint32();
    const from = this.#take(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** @throws ProtobufError when it is not UTF-8 */
  string(): string {
    const bytes = this.bytes();
    try {
      // The decoder drops a byte order mark, which belongs to the text.
      const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
      return hasMark ? `\ufeff${decodeUtf8(bytes.subarray(3))}` : decodeUtf8(bytes);
    } catch {
      throw new ProtobufError('a text is not UTF-8');
    }
  }

  /** Skips the value of a field that is not known. @param depth of nested groups that are still allowed */
  skip(wireType: number, depth: number): void {
    if (wireType === VARINT) this.#varint();
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === FIXED32) this.#take(4);
    else if (wireType === BYTES) this.bytes();
    else if (wireType === GROUP && depth > 0) {
      for (let inner = this.uint32() & 7; inner !== GROUP_END; inner = this.uint32() & 7) {
        this.skip(inner, depth - 1);
      }
    } else throw new ProtobufError('a field has no valid wire type');
  }

  #take(length: number): number {
    const from = this.at;
    if (from + length > this.#bytes.length) throw new ProtobufError('it ends within a field');
    this.at = from + length;
    return from;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let read = 0; read < MAX_VARINT_BYTES; read += 1) {
      const byte = this.#bytes[this.#take(1)] ?? 0;
      const bits = byte & 0x7f;
      if (read < 4) low |= bits << (7 * read);
      else if (read === 4) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (7 * read - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new ProtobufError('a number has more than 10 bytes');
  }
}

function exact(high: number, low: number): number | bigint {
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) + BigInt(low);
}

const scratch = new DataView(new ArrayBuffer(8));

/** Writes the fields of one message. */
export class WireWriter {
  #parts: Uint8Array[] = [];
  #numbers: number[] = [];

  tag(number: number, wireType: number): this {
    return this.varint(number * 8 + wireType);
  }

  /** @param value a whole number; negative ones are written as 64 bits */
  varint(value: number | bigint): this {
    if (typeof value === 'bigint' || value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 127n; rest >>= 7n) this.#numbers.push(Number(rest & 127n) | 128);
      this.#numbers.push(Number(rest));
      return this;
    }
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#numbers.push((rest % 128) | 128);
    this.#numbers.push(rest);
    return this;
  }

  double(value: number): this {
    scratch.setFloat64(0, value, true);
    return this.#fixed(8);
  }

  float(value: number): this {
    scratch.setFloat32(0, value, true);
    return this.#fixed(4);
  }

  /** Writes bytes after their length. @param bytes not changed afterwards */
  bytes(bytes: Uint8Array): this {
    this.varint(bytes.length);
    return this.raw(bytes);
  }

  /** Writes bytes as they are. @param bytes not changed afterwards */
  raw(bytes: Uint8Array): this {
    this.#flush();
    this.#parts.push(bytes);
    return this;
  }

  string(text: string): this {
    return this.bytes(encodeUtf8(text));
  }

  finish(): Uint8Array {
    this.#flush();
    return concatBytes(this.#parts);
  }

  #fixed(length: number): this {
    for (let at = 0; at < length; at += 1) this.#numbers.push(scratch.getUint8(at));
    return this;
  }

  #flush(): void {
    if (this.#numbers.length === 0) return;
    this.#parts.push(Uint8Array.from(this.#numbers));
    this.#numbers = [];
  }
}
