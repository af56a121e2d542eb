const strict = new TextDecoder('utf-8', { fatal: true });
const lenient = new TextDecoder();
/** What a lenient reader puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';
/** The first byte of a byte order mark. */
const MARK = 0xef;

/**
 * Bytes within a buffer. A view says the same, but the runtime makes one of a small buffer by moving its bytes and giving
 * them an owner, which costs more than reading them (docs/decisions/0019); so bytes go through the gateway like this, and
 * views are left for where few bytes come by.
 */
export class ByteSlice {
  readonly buffer: Buffer;
  /** The first of the bytes. */
  readonly from: number;
  /** Behind the last of them. */
  readonly to: number;

  constructor(buffer: Buffer, from: number, to: number) {
    this.buffer = buffer;
    this.from = from;
    this.to = to;
  }

  static of(bytes: Uint8Array): ByteSlice {
    const buffer =
      bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new ByteSlice(buffer, 0, buffer.length);
  }

  get length(): number {
    return this.to - this.from;
  }

  startsWith(prefix: Uint8Array): boolean {
    if (this.length < prefix.length) return false;
    const { buffer, from } = this;
    for (let at = 0; at < prefix.length; at += 1) if (buffer[from + at] !== prefix[at]) return false;
    return true;
  }

  /** As UTF-8, without a byte order mark. @throws TypeError when it is none */
  text(): string {
    return this.#decode(strict);
  }

  /** As UTF-8, without a byte order mark, whatever it is. */
  lenientText(): string {
    return this.#decode(lenient);
  }

  /** @param decoder asked only where there may be more to it: it needs a view */
  #decode(decoder: TextDecoder): string {
    const { buffer, from, to } = this;
    const text = buffer.toString('utf8', from, to);
    return buffer[from] === MARK || text.includes(REPLACEMENT) ? decoder.decode(this.view()) : text;
  }

  /** The same in memory of its own, so that what it is part of need not be kept. */
  copy(): ByteSlice {
    return ByteSlice.of(Buffer.from(this.view()));
  }

  view(): Buffer {
    const { buffer, from, to } = this;
    return from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to);
  }
}

export const NO_BYTES = new ByteSlice(Buffer.alloc(0), 0, 0);

/** A single one is handed back as it is. */
export function joinSlices(parts: readonly ByteSlice[]): ByteSlice {
  const [first] = parts;
  if (first === undefined) return NO_BYTES;
  if (parts.length === 1) return first;
  return ByteSlice.of(Buffer.concat(parts.map((part) => part.view())));
}
