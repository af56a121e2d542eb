import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LineSink } from './log.ts';
import { hotFileName } from './log-file-names.ts';

const MAX_BATCH_MS = 200;
/** Characters, nearly all of which are one byte. */
const MAX_BATCH_LENGTH = 64 * 1024;
/** Bytes of one write. */
const MAX_WRITE_BYTES = 1024 * 1024;
/** Bytes that wait for a disk that is slow, full or read-only: 20,000 lines of requests. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const MAX_FLUSH_MS = 2_000;
const RETRY_MS = 1_000;

export interface LogFilesOptions {
  readonly folder: string;
  /** Bytes after which another file begins. */
  readonly maxBytes: number;
  /** Milliseconds; another file begins at each multiple of it since 1970. */
  readonly rotateMs: number;
  /** Tells gateways with one folder apart. Lower-case letters and digits. */
  readonly instance: string;
  /** Opens a file to append to; that of the disk when absent. */
  readonly openFile?: (path: string) => Promise<LogFileHandle>;
  /** Milliseconds since 1970. */
  readonly wallTime: () => number;
  /** The folder rejects writes; called once for each time. Lines wait in memory and are written later. */
  readonly onFailure: (error: unknown) => void;
  /** The folder accepts writes again. @param lost lines that were lost meanwhile */
  readonly onRestored: (lost: number) => void;
}

/** The part of a file handle that lines need. */
export interface LogFileHandle {
  write(bytes: Uint8Array): Promise<{ readonly bytesWritten: number }>;
  close(): Promise<void>;
}

interface Batch {
  readonly bytes: Uint8Array;
  readonly lines: number;
}

interface OpenFile {
  readonly handle: LogFileHandle;
  readonly name: string;
  readonly openedAt: number;
  size: number;
}

/**
 * Writes lines to files in a folder, and begins another file by size and by time. Writes run on the runtime's thread pool, one
 * at a time. While the folder rejects writes, up to 8 MiB wait in memory; further lines are lost and counted.
 */
export class LogFiles implements LineSink {
  #text = '';
  #textLines = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #queue: Batch[] = [];
  #queuedBytes = 0;
  #file: OpenFile | undefined;
  #number = 0;
  #writing: Promise<void> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isFailing = false;
  #lost = 0;
  #lostBefore = 0;

  constructor(private readonly options: LogFilesOptions) {}

  get lost(): number {
    return this.#lost;
  }

  /** Why the folder rejects writes now; undefined while it accepts them. */
  failure: string | undefined;

  /** Name of the file that lines go to now. */
  get currentName(): string | undefined {
    return this.#file?.name;
  }

  write(text: string, now: boolean): void {
    this.#text += text;
    this.#textLines += 1;
    if (now || this.#text.length >= MAX_BATCH_LENGTH) this.#submit();
    else this.#timer ??= setTimeout(() => this.#submit(), MAX_BATCH_MS);
  }

  /** Resolves when all lines are written, or cannot be, or after two seconds. */
  async flush(): Promise<void> {
    this.#submit();
    let isLate = false;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      isLate = true;
      late.resolve();
    }, MAX_FLUSH_MS);
    while (this.#writing && !isLate) await Promise.race([late.promise, this.#writing]);
    clearTimeout(timer);
  }

  /** Begins another file if it is time to, also where no line arrives, or if the current one was removed. */
  async rotateIfDue(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    const isRemoved = await stat(join(this.options.folder, file.name)).then(
      () => false,
      () => true,
    );
    await this.#writing;
    if (this.#file !== file || this.#writing || !(isRemoved || this.#isDue(file, 0))) return;
    this.#file = undefined;
    await file.handle.close();
  }

  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#retry);
    // What could not be written by now is lost with the process.
    for (const { lines } of this.#queue.splice(0)) this.#lost += lines;
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  #submit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#text === '') return;
    const batch = { bytes: Buffer.from(this.#text), lines: this.#textLines };
    this.#text = '';
    this.#textLines = 0;
    if (this.#queuedBytes + batch.bytes.length > MAX_BUFFERED_BYTES) {
      this.#lost += batch.lines;
      return;
    }
    this.#queue.push(batch);
    this.#queuedBytes += batch.bytes.length;
    if (this.#retry === undefined) this.#start();
  }

  #start(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
      // Lines may have arrived after the last look at the queue.
      if (this.#queue.length > 0 && this.#retry === undefined) this.#start();
    });
  }

  /** Never rejects. */
  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#writeSome();
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #writeSome(): Promise<void> {
    let bytes = 0;
    const batches: Uint8Array[] = [];
    for (const batch of this.#queue) {
      if (batches.length > 0 && bytes + batch.bytes.length > MAX_WRITE_BYTES) break;
      batches.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    const file = await this.#openFile(bytes);
    const { bytesWritten } = await file.handle.write(Buffer.concat(batches));
    file.size += bytesWritten;
    this.#remove(bytesWritten);
  }

  /** Takes what was written out of the queue. A disk that becomes full may have taken a part. */
  #remove(bytesWritten: number): void {
    this.#queuedBytes -= bytesWritten;
    let left = bytesWritten;
    while (left > 0) {
      const [first] = this.#queue;
      if (!first) return;
      if (first.bytes.length > left) {
        this.#queue[0] = { bytes: first.bytes.subarray(left), lines: first.lines };
        return;
      }
      left -= first.bytes.length;
      this.#queue.shift();
    }
  }

  async #openFile(bytes: number): Promise<OpenFile> {
    const { folder, instance, wallTime, openFile = openToAppend } = this.options;
    const file = this.#file;
    if (file && !this.#isDue(file, bytes)) return file;
    this.#file = undefined;
    await file?.handle.close();
    const openedAt = wallTime();
    this.#number += 1;
    const name = hotFileName(openedAt, instance, this.#number);
    // It may have been removed; logs may hold what only the gateway's user should read.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const handle = await openFile(join(folder, name));
    this.#file = { handle, name, openedAt, size: 0 };
    return this.#file;
  }

  #isDue({ size, openedAt }: OpenFile, bytes: number): boolean {
    const { maxBytes, rotateMs, wallTime } = this.options;
    if (size > 0 && size + bytes > maxBytes) return true;
    return Math.floor(wallTime() / rotateMs) !== Math.floor(openedAt / rotateMs);
  }

  #failed(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error);
    if (!isFull(error)) this.#abandonFile();
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#start();
    }, RETRY_MS);
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#lostBefore = this.#lost;
    this.options.onFailure(error);
  }

  #succeeded(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.failure = undefined;
    this.options.onRestored(this.#lost - this.#lostBefore);
  }

  /** A file that cannot be written for another reason than a full disk may never be writable again. */
  #abandonFile(): void {
    const file = this.#file;
    this.#file = undefined;
    // The failure that led here is reported already.
    file?.handle.close().catch(() => undefined);
  }
}

function openToAppend(path: string): Promise<LogFileHandle> {
  return open(path, 'a', 0o600);
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
