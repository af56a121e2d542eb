import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import { archivedFiles, namesIn } from './log-archive.ts';
import { hotNameOf, parseHotName } from './log-file-names.ts';

/** A file of log lines, in the order of time. */
export interface LogSource {
  readonly name: string;
  /** Unix milliseconds of its first line, or earlier. */
  readonly start: number;
  /** Unix milliseconds of its last line, or later. */
  readonly end: number;
  /** Lines without their ends, in groups, as they are read. */
  lines(): AsyncIterable<readonly string[]>;
}

const CHUNK_BYTES = 256 * 1024;
/** Characters; longer lines are dropped, so that a file without line ends takes no more memory. */
const MAX_LINE = 1024 * 1024;

/** A file that a gateway may be writing to. */
export class HotSource implements LogSource {
  /** Where the next line begins, in bytes. */
  offset = 0;

  constructor(
    readonly name: string,
    readonly path: string,
    readonly start: number,
    readonly end: number,
    /** Bytes when it was found. */
    readonly size: number,
  ) {}

  /** From `offset`, which moves along. A line without an end stays for the next call. */
  async *lines(): AsyncGenerator<readonly string[]> {
    const splitter = new LineSplitter();
    const bytes = createReadStream(this.path, { start: this.offset, highWaterMark: CHUNK_BYTES });
    try {
      for await (const chunk of bytes) {
        const lines = splitter.push(chunk);
        this.offset += splitter.takeConsumed();
        if (lines.length > 0) yield lines;
      }
    } catch (error) {
      // The gateway compressed it after it was found.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}

/** @returns files in a folder that are not compressed; none for a folder that does not exist */
export async function hotSources(folder: string): Promise<HotSource[]> {
  const sources = (await namesIn(folder)).map(async (name) => {
    const file = parseHotName(name);
    if (!file) return [];
    const path = join(folder, name);
    // It may be compressed and removed meanwhile: then the archive has it.
    const found = await stat(path).catch(() => undefined);
    return found ? [new HotSource(name, path, file.start, found.mtimeMs, found.size)] : [];
  });
  return (await Promise.all(sources)).flat();
}

/** @param hot files that are not read again from the archive, where they arrive before they leave the folder. @returns compressed files */
export async function archivedSources(
  archive: Pick<ObjectStorage, 'list' | 'get'>,
  hot: readonly HotSource[],
): Promise<LogSource[]> {
  const known = new Set(hot.map(({ name }) => name));
  return (await archivedFiles(archive))
    .filter(({ name }) => !known.has(hotNameOf(name)))
    .map((file) => ({ ...file, lines: () => linesIn(decompressed(archive.get(file.name))) }));
}

/** A file that a person named; `-` is standard input. */
export function namedSource(path: string, standardInput: () => AsyncIterable<Uint8Array>): LogSource {
  const bytes = () => {
    if (path === '-') return standardInput();
    const content = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    return path.endsWith('.zst') ? decompressed(content) : content;
  };
  const [start, end] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return { name: path, start, end, lines: () => linesIn(bytes()) };
}

async function* decompressed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(bytes);
  const zstd = createZstdDecompress();
  source.on('error', (error) => zstd.destroy(error));
  try {
    for await (const chunk of source.pipe(zstd)) yield chunk;
  } finally {
    source.destroy();
  }
}

async function* linesIn(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const splitter = new LineSplitter();
  for await (const chunk of bytes) {
    const lines = splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.rest;
  if (last !== '') yield [last];
}

const NEWLINE = 0x0a;

/** Splits bytes into lines. Only whole lines are decoded, so that no character is cut. */
class LineSplitter {
  #rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #isTooLong = false;
  #consumed = 0;

  /** What follows the last line end. */
  get rest(): string {
    return this.#isTooLong ? '' : this.#rest.toString();
  }

  /** @returns bytes of whole lines since the last call */
  takeConsumed(): number {
    const consumed = this.#consumed;
    this.#consumed = 0;
    return consumed;
  }

  push(chunk: Uint8Array): string[] {
    const all = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const end = all.lastIndexOf(NEWLINE) + 1;
    this.#rest = all.subarray(end);
    if (end > 0) {
      this.#consumed += end;
      const lines = all.toString('utf8', 0, end - 1).split('\n');
      if (this.#isTooLong) lines.shift();
      this.#isTooLong = false;
      return lines;
    }
    if (this.#rest.length > MAX_LINE) {
      this.#isTooLong = true;
      this.#consumed += this.#rest.length;
      this.#rest = Buffer.alloc(0);
    }
    return [];
  }
}
