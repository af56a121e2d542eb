import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const NAME = /^usage-(\d+)-([0-9a-f]+)-(\d+)\.ndjson$/;

/** Files of usage that waits to be stored: one that grows, and those that are closed. */
export class JournalFiles {
  #descriptor: number | undefined;
  #number = 0;

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

  append(text: string): void {
    this.#descriptor ??= openSync(join(this.folder, this.#name()), 'a', 0o600);
    writeSync(this.#descriptor, text);
  }

  /** Closes the file that grows; the next text begins another. @returns its name */
  rotate(): string {
    const name = this.#name();
    this.close();
    this.#number += 1;
    return name;
  }

  read(name: string): string {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #name(): string {
    return `usage-${this.pid}-${this.boot}-${this.#number}.ndjson`;
  }
}
