import { concatBytes, copyBytes, partOf, releaseBytes } from '../core/bytes.ts';

/** Smaller parts are collected in blocks. Bytes. */
const MIN_KEPT = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/**
 * The parts of a body until it is complete. A part is a range of everything that was read with it, chunk framing
 * included: keeping the range itself would keep many times the size of the body in memory. Only ranges that are most of what
 * they were read with are kept, others are copied.
 */
export class BodyParts {
  #parts: Uint8Array[] = [];
  /** Collects small parts. */
  #block: Uint8Array | undefined;
  #used = 0;

  /**
   * Adds the bytes of `read` from `from` up to `to`.
   * @param mayKeep whether `read` stays as it is after the call
   * @returns whether `read` is kept, not a copy
   */
  add(read: Uint8Array, from: number, to: number, mayKeep = true): boolean {
    const length = to - from;
    if (length >= MIN_KEPT || (this.#parts.length === 0 && this.#block === undefined)) {
      this.#closeBlock();
      const keeps = mayKeep && 2 * length >= read.length;
      this.#parts.push(keeps ? partOf(read, from, to) : copyBytes(read, from, to));
      return keeps;
    }
    if (this.#block !== undefined && this.#used + length > BLOCK_BYTES) this.#closeBlock();
    this.#block ??= new Uint8Array(BLOCK_BYTES);
    copyInto(this.#block, this.#used, read, from, to);
    this.#used += length;
    return false;
  }

  /** Removes all parts. @returns them as one; a single part is not copied */
  take(): Uint8Array {
    this.#closeBlock();
    const whole = concatBytes(this.#parts);
    if (this.#parts.length > 1) this.release();
    this.#parts = [];
    return whole;
  }

  /** Removes all parts and frees their memory: nothing else refers to them. */
  release(): void {
    for (const part of this.#parts) releaseBytes(part);
    this.#parts = [];
    this.#block = undefined;
  }

  #closeBlock(): void {
    if (this.#block === undefined) return;
    this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}

/** Up to this length a loop is faster than a view, which `set` needs. Bytes. */
const MAX_LOOPED = 16;

function copyInto(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): void {
  if (to - from > MAX_LOOPED) {
    target.set(source.subarray(from, to), at);
    return;
  }
  for (let index = from; index < to; index += 1) target[at + index - from] = source[index] ?? 0;
}
