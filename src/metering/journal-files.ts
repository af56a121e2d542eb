import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppendFile } from '../platform/append-file.ts';

const NAME = /^usage-(\d+)-([0-9a-f]+)-(\d+)\.ndjson$/;

/** Bytes of one file: 1,000 events, or 2,000 at high rates. Each file is created once and stored in one transaction. */
const MIN_FILE_BYTES = 256 * 1024;
const MAX_FILE_BYTES = 512 * 1024;
/** Maximum bytes of a UTF-16 code unit in UTF-8. */
const MAX_BYTES_PER_CHAR = 3;

/** The journal's files on the local disk: the current one, and closed ones that are not stored yet. */
export class JournalFiles {
  #file: AppendFile | undefined;
  #number = 0;
  #size = MIN_FILE_BYTES;
  #full = false;

  /**
   * @param folder created when missing, readable by its owner only
   * @param boot hexadecimal id of this process, because process ids are reused
   * @param isAlive whether a process with this id is running
   * @throws Error when the folder cannot be created
   */
  constructor(
    private readonly folder: string,
    private readonly pid: number,
    private readonly boot: string,
    private readonly isAlive: (pid: number) => boolean,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** @returns names of the files of processes that no longer run, in order */
  leftovers(): string[] {
    return readdirSync(this.folder)
      .filter((name) => {
        const match = NAME.exec(name);
        if (!match || match[2] === this.boot) return false;
        const pid = Number(match[1]);
        return pid === this.pid || !this.isAlive(pid);
      })
      .sort();
  }

  /**
   * Appends to the current file.
   *
   * @returns false when it does not fit; call `rotate` and append again
   * @throws Error when the disk is full or not writable
   */
  append(text: string): boolean {
    this.#file ??= new AppendFile(
      join(this.folder, this.#name()),
      Math.max(this.#size, MAX_BYTES_PER_CHAR * text.length),
    );
    const appended = this.#file.append(text);
    if (!appended) this.#full = true;
    return appended;
  }

  /** Closes the current file; the next text starts another. @returns the name of the closed file */
  rotate(): string {
    const name = this.#name();
    this.#file = undefined;
    this.#number += 1;
    // Sized to fill once between two flushes, because each file is one transaction.
    this.#size = this.#full
      ? Math.min(2 * this.#size, MAX_FILE_BYTES)
      : Math.max(this.#size / 2, MIN_FILE_BYTES);
    this.#full = false;
    return name;
  }

  /** @returns the text of a closed file; empty when it does not exist */
  read(name: string): string {
    const path = join(this.folder, name);
    if (!existsSync(path)) return '';
    const bytes = readFileSync(path);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  }

  /** Deletes a file, if it exists. */
  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  #name(): string {
    return `usage-${this.pid}-${this.boot}-${this.#number}.ndjson`;
  }
}
