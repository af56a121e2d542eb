import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppendFile } from '../platform/append-file.ts';

const NAME = /^usage-(\d+)-([0-9a-f]+)-(\d+)\.ndjson$/;

/** Bytes of one file: a thousand events, or two thousand where there are many. Making and storing it takes a moment each. */
const SMALLEST_FILE = 256 * 1024;
const LARGEST_FILE = 512 * 1024;
/** Bytes that one character may take. */
const MOST_BYTES = 3;

/** Files of usage that waits to be stored: one that grows, and those that are closed. */
export class JournalFiles {
  #file: AppendFile | undefined;
  #number = 0;
  #size = SMALLEST_FILE;
  #full = false;

  /**
   * @param boot tells this process from others, and from those that had its number before
   */
  constructor(
    private readonly folder: string,
    private readonly pid: number,
    private readonly boot: string,
    private readonly isAlive: (pid: number) => boolean,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Files of processes that are gone, the oldest first. */
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

  /** @returns false when the file that grows has no room for it: another is to be begun */
  append(text: string): boolean {
    this.#file ??= new AppendFile(
      join(this.folder, this.#name()),
      Math.max(this.#size, MOST_BYTES * text.length),
    );
    const appended = this.#file.append(text);
    if (!appended) this.#full = true;
    return appended;
  }

  /** The next text begins another file. @returns the name of the one that has grown so far */
  rotate(): string {
    const name = this.#name();
    this.#file = undefined;
    this.#number += 1;
    // As large as is filled between two times that it is emptied: each is a transaction in a database.
    this.#size = this.#full
      ? Math.min(2 * this.#size, LARGEST_FILE)
      : Math.max(this.#size / 2, SMALLEST_FILE);
    this.#full = false;
    return name;
  }

  /** The text of a file that no longer grows. */
  read(name: string): string {
    const path = join(this.folder, name);
    if (!existsSync(path)) return '';
    const bytes = readFileSync(path);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  #name(): string {
    return `usage-${this.pid}-${this.boot}-${this.#number}.ndjson`;
  }
}
