import { closeSync, openSync, writeSync } from 'node:fs';

/** Of one UTF-16 unit in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/**
 * A file of fixed size to which text is appended through mapped memory: without a system call per text, and still
 * readable by others when this process is killed. Unused bytes are zeros.
 */
export class AppendFile {
  readonly #bytes: Buffer;
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
    const { buffer, byteOffset, byteLength } = Bun.mmap(path, { shared: true });
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** @returns false when there is no room for all of it; nothing is appended then */
  append(text: string): boolean {
    const room = this.#bytes.length - this.#length;
    // Looked at more closely only where it could be too much.
    if (MAX_BYTES_PER_CHAR * text.length > room && Buffer.byteLength(text) > room) return false;
    this.#length += this.#bytes.write(text, this.#length);
    return true;
  }
}
