import { closeSync, openSync, writeSync } from 'node:fs';

const encoder = new TextEncoder();

/**
 * A file of a given size that text is appended to through memory: without a call of the system for each text, and all
 * the same there for others when this process is killed. What is not used yet is zeros.
 */
export class AppendFile {
  readonly #bytes: Uint8Array;
  #length = 0;

  /**
   * @param size in bytes
   * @throws when the disk has no room for all of it
   */
  constructor(path: string, size: number) {
    const descriptor = openSync(path, 'w', 0o600);
    try {
      // Written, and not only declared: a disk that is full must be found out here, and not by a write to memory.
      let written = 0;
      const zeros = new Uint8Array(size);
      while (written < size) written += writeSync(descriptor, zeros, written);
    } finally {
      closeSync(descriptor);
    }
    this.#bytes = Bun.mmap(path, { shared: true });
  }

  /** @returns false when there is no room for all of it; nothing is appended then */
  append(text: string): boolean {
    const { read, written } = encoder.encodeInto(text, this.#bytes.subarray(this.#length));
    if (read < text.length) {
      this.#bytes.fill(0, this.#length);
      return false;
    }
    this.#length += written;
    return true;
  }
}
