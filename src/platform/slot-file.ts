import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { writeAll } from './disk-probe.ts';

const FREE = 0;
/** Any byte that is not `FREE`; a printable one keeps the file readable. */
const USED = 0x2b;
const END = 0;
const MAX_BYTES_PER_CHAR = 3;

/**
 * A file of slots of the same size in mapped memory. Each slot holds a short text, which can be written, changed in part
 * and removed without a system call, and is still readable when this process is killed.
 */
export class SlotFile {
  readonly #bytes: Buffer;

  /**
   * Creates the file with free slots.
   * @param slotSize in bytes; a text may have two less
   * @throws Error when the disk has no room for the file
   */
  constructor(
    path: string,
    slots: number,
    private readonly slotSize: number,
  ) {
    const descriptor = openSync(path, 'w', 0o600);
    try {
      // Writes the zeros, so that a full disk is an error here and not a fault at a write to memory.
      writeAll(descriptor, new Uint8Array(slots * slotSize));
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
    const { buffer, byteOffset, byteLength } = Bun.mmap(path, { shared: true });
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** Whether a text fits into a slot. */
  fits(text: string): boolean {
    const room = this.slotSize - 2;
    return MAX_BYTES_PER_CHAR * text.length <= room || Buffer.byteLength(text) <= room;
  }

  /** @param text one that fits, without NUL characters */
  write(slot: number, text: string): void {
    const start = slot * this.slotSize;
    this.#bytes[start] = FREE;
    const length = this.#bytes.write(text, start + 1);
    this.#bytes[start + 1 + length] = END;
    // Last, so that a killed process leaves no half of a text.
    this.#bytes[start] = USED;
  }

  /** Replaces the beginning of a slot's text. @param text of ASCII characters, not longer than the text before */
  replaceStart(slot: number, text: string): void {
    this.#bytes.write(text, slot * this.slotSize + 1, 'latin1');
  }

  clear(slot: number): void {
    this.#bytes[slot * this.slotSize] = FREE;
  }
}

/** @returns the texts of a file of slots, which another process may have written */
export function readSlots(path: string, slotSize: number): string[] {
  const bytes = readFileSync(path);
  const texts: string[] = [];
  for (let start = 0; start + slotSize <= bytes.length; start += slotSize) {
    if (bytes[start] === FREE) continue;
    const end = bytes.indexOf(END, start + 1);
    texts.push(bytes.toString('utf8', start + 1, Math.min(end < 0 ? bytes.length : end, start + slotSize)));
  }
  return texts;
}
