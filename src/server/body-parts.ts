import { concatBytes } from '../core/bytes.ts';

/** Parts from this size on are kept as they are. Bytes. */
const MIN_KEPT = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/**
 * The parts of a body until it is complete. A part is a view of everything that was read with it, chunk framing
 * included; a body of many small parts would keep many times its size in memory. Small parts are therefore copied.
 */
export class BodyParts {
  readonly #parts: Uint8Array[] = [];
  /** Collects small parts. */
  #block: Uint8Array | undefined;
  #used = 0;

  add(bytes: Uint8Array): void {
    // Most bodies have one part, which costs no copy.
    if (bytes.length >= MIN_KEPT || (this.#parts.length === 0 && this.#block === undefined)) {
      this.#closeBlock();
      this.#parts.push(bytes);
      return;
    }
    if (this.#block !== undefined && this.#used + bytes.length > BLOCK_BYTES) this.#closeBlock();
    this.#block ??= new Uint8Array(BLOCK_BYTES);
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** All parts as one; a single part is not copied. */
  take(): Uint8Array {
    this.#closeBlock();
    return concatBytes(this.#parts);
  }

  #closeBlock(): void {
    if (this.#block === undefined) return;
    this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}
