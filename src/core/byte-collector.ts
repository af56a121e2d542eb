import { concatBytes, releaseBytes } from './bytes.ts';

/** Smaller parts are copied into shared blocks. Bytes. */
const MIN_KEPT = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/**
 * Collects bytes that arrive in parts. Small parts are copied together, because a million parts of one byte would take a
 * hundred times the memory of their bytes.
 */
export class ByteCollector {
  #parts: Uint8Array[] = [];
  #block: Uint8Array | undefined;
  #blockLength = 0;
  #length = 0;

  /** Bytes that were added since the last `take`. */
  get length(): number {
    return this.#length;
  }

  /** The byte that was added last; undefined when there is none. */
  get last(): number | undefined {
    if (this.#block !== undefined) return this.#block[this.#blockLength - 1];
    return this.#parts.at(-1)?.at(-1);
  }

  /** @param part is not modified afterwards */
  add(part: Uint8Array): void {
    const { length } = part;
    if (length === 0) return;
    // Most things arrive in one part, which costs no copy.
    if (length >= MIN_KEPT || this.#length === 0) {
      this.#closeBlock();
      this.#parts.push(part);
    } else {
      if (this.#blockLength + length > BLOCK_BYTES) this.#closeBlock();
      this.#block ??= new Uint8Array(BLOCK_BYTES);
      this.#block.set(part, this.#blockLength);
      this.#blockLength += length;
    }
    this.#length += length;
  }

  /** @returns all bytes in their order; the collector is empty then */
  take(): Uint8Array {
    this.#closeBlock();
    const whole = concatBytes(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }

  /**
   * The same, and frees the memory of the parts.
   * @returns bytes of their own; nothing else may refer to the parts that were added
   */
  takeOwn(): Uint8Array {
    this.#closeBlock();
    const parts = this.#parts;
    const whole = this.take();
    if (parts.length > 1) for (const part of parts) releaseBytes(part);
    return whole;
  }

  /** Drops all bytes and frees their memory. Nothing else may refer to the parts that were added. */
  release(): void {
    for (const part of this.#parts) releaseBytes(part);
    this.#parts = [];
    this.#block = undefined;
    this.#length = 0;
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#parts.push(this.#block.subarray(0, this.#blockLength));
    this.#block = undefined;
    this.#blockLength = 0;
  }
}
