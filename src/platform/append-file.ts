import { closeSync, openSync, rmSync } from 'node:fs';
import { writeAll } from './disk-probe.ts';

/** The most bytes of one UTF-16 unit in UTF-8. */
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
   * @throws Error when the disk has no room for the file
   */
  constructor(path: string, size: number) {
    const descriptor = openSync(path, 'w', 0o600);
    try {
      // Writes the zeros, so that a full disk is an error here and not a fault at a write to memory.
      writeAll(descriptor, new Uint8Array(size));
    } catch (error) {
      // The part that was written would take the room that the databases need.
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
    const { buffer, byteOffset, byteLength } = Bun.mmap(path, { shared: true });
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** @returns false, without appending, when the text does not fit */
  append(text: string): boolean {
    const room = this.#bytes.length - this.#length;
    // Measures the text only where it might not fit.
    if (MAX_BYTES_PER_CHAR * text.length > room && Buffer.byteLength(text) > room) return false;
    this.#length += this.#bytes.write(text, this.#length);
    return true;
  }
}
