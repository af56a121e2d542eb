import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppendFile } from '../platform/append-file.ts';
import { probeFolder } from '../platform/disk-probe.ts';

const NAME = /^usage-(\d+)-([0-9a-f]+)-(\d+)\.ndjson$/;
/** Marks files of a restored backup: their process, if one has its id, is not the one that wrote them. */
const RESTORED = 'restored-';

/** A process that writes a journal. */
export interface JournalProcess {
  readonly pid: number;
  /** Hexadecimal; because process ids are reused. */
  readonly boot: string;
}

/** @returns the name of a process's file with a number */
export function journalFileName({ pid, boot }: JournalProcess, number: number): string {
  return `usage-${pid}-${boot}-${number}.ndjson`;
}

/** @returns the process that has written a file; undefined for a file of another kind */
export function ownerOf(name: string): JournalProcess | undefined {
  const match = NAME.exec(batchIdOf(name));
  return match ? { pid: Number(match[1]), boot: match[2] ?? '' } : undefined;
}

/** A closed file of a journal. */
export interface JournalFile {
  readonly name: string;
  /** Its complete lines. */
  readonly text: string;
}

/**
 * Reads the files of a journal that a gateway may be writing. One that is removed meanwhile is left out: its events are in
 * the databases by then.
 * @param folder may not exist
 */
export function* readJournal(folder: string): Generator<JournalFile> {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).sort()) {
    if (!NAME.test(batchIdOf(name))) continue;
    const text = readJournalFile(join(folder, name));
    const complete = text.slice(0, text.lastIndexOf('\n') + 1);
    if (complete !== '') yield { name: batchIdOf(name), text: complete };
  }
}

/** The journal of a gateway that is not running, into which a backup is restored. */
export class RestoredJournal {
  constructor(private readonly folder: string) {}

  /** Adds a file, which the next start stores. */
  add(name: string, content: Uint8Array): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.folder, RESTORED + name), content, { mode: 0o600, flush: true });
  }

  /** Removes a file that `add` has added. */
  remove(name: string): void {
    rmSync(join(this.folder, RESTORED + name), { force: true });
  }
}

/**
 * Id of the batch that a file is stored as. It is the same for a restored file, because the database may contain the
 * batch, or a part of it.
 */
export function batchIdOf(name: string): string {
  return name.startsWith(RESTORED) ? name.slice(RESTORED.length) : name;
}

/** @returns the text of a journal file, whose unused bytes are zeros; empty when it does not exist */
export function readJournalFile(path: string): string {
  if (!existsSync(path)) return '';
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    // Removed after the check.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

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

  /** @returns names of restored files, and of the files of processes that no longer run, in order */
  leftovers(): string[] {
    return readdirSync(this.folder)
      .filter((name) => {
        const match = NAME.exec(batchIdOf(name));
        if (!match || match[2] === this.boot) return false;
        if (name !== match[0]) return true;
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
      this.pathOf(this.#name()),
      Math.max(this.#size, MAX_BYTES_PER_CHAR * text.length),
    );
    const appended = this.#file.append(text);
    if (!appended) this.#full = true;
    return appended;
  }

  /** @throws Error when no file can be written */
  probe(): void {
    probeFolder(this.folder);
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

  /** @returns the absolute path of a file, or a path relative to that of the folder */
  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** Deletes a file, if it exists. */
  remove(name: string): void {
    rmSync(this.pathOf(name), { force: true });
  }

  #name(): string {
    return journalFileName({ pid: this.pid, boot: this.boot }, this.#number);
  }
}
