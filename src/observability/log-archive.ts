import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { archivedName, parseArchivedName, parseHotName } from './log-file-names.ts';

/** Keeps files for a long time: a folder, or a bucket of an object store. Methods reject with the store's error. */
export interface ArchiveStore {
  /** Stores a file, as a whole or not at all. */
  put(name: string, body: AsyncIterable<Uint8Array>): Promise<void>;
  /** Names of all files. */
  list(): Promise<readonly string[]>;
  read(name: string): AsyncIterable<Uint8Array>;
  /** No error for a file that does not exist. */
  remove(name: string): Promise<void>;
}

/** Bytes that are read, compressed and written at once. */
const CHUNK_BYTES = 64 * 1024;

export class FolderArchive implements ArchiveStore {
  constructor(private readonly folder: string) {}

  async put(name: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const path = join(this.folder, name);
    const part = `${path}.part`;
    try {
      await pipeline(body, createWriteStream(part, { mode: 0o600 }));
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  async list(): Promise<readonly string[]> {
    return namesIn(this.folder);
  }

  read(name: string): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.folder, name), { highWaterMark: CHUNK_BYTES });
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true });
  }
}

/** @returns nothing for a folder that does not exist */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Milliseconds of each phase of a log file. */
export interface LogRetention {
  readonly folder: string;
  readonly archive: ArchiveStore;
  /** From the last line until the file is compressed. */
  readonly hotMs: number;
  /** From then until it is deleted; null deletes it instead of compressing it. */
  readonly warmMs: number | null;
}

/**
 * Compresses files whose last line is older than the hot period into the archive. Reading and compressing run on the runtime's
 * thread pool, in pieces of 64 KiB. A failure leaves the file where it is.
 * @param now Unix milliseconds
 * @param current name of the file that is being written
 * @throws the first error, after all files were visited
 */
export async function archiveLogFiles(
  retention: LogRetention,
  now: number,
  current: string | undefined,
): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await namesIn(retention.folder)) {
    if (name === current || !parseHotName(name)) continue;
    await archiveIfOld(retention, now, name).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

async function archiveIfOld(
  { folder, archive, hotMs, warmMs }: LogRetention,
  now: number,
  name: string,
): Promise<void> {
  const path = join(folder, name);
  const { mtimeMs, size } = await stat(path);
  if (mtimeMs >= now - hotMs) return;
  const isWorthKeeping = warmMs !== null && mtimeMs >= now - hotMs - warmMs && size > 0;
  if (isWorthKeeping) await archive.put(archivedName(name, mtimeMs), compressed(path));
  await rm(path, { force: true });
}

/** Deletes compressed files that are older than both periods. @param now Unix milliseconds. @throws the store's error */
export async function deleteOldArchives(
  { archive, hotMs, warmMs }: LogRetention,
  now: number,
): Promise<void> {
  const keepMs = hotMs + (warmMs ?? 0);
  for (const name of await archive.list()) {
    const file = parseArchivedName(name);
    if (file?.end !== undefined && file.end < now - keepMs) await archive.remove(name);
  }
}

/** @returns the content of a file, compressed with zstd */
async function* compressed(path: string): AsyncGenerator<Uint8Array> {
  const zstd = createZstdCompress();
  const reading = pipeline(createReadStream(path, { highWaterMark: CHUNK_BYTES }), zstd);
  // Its failure also ends the iteration, which reports it.
  reading.catch(() => undefined);
  for await (const chunk of zstd) yield chunk;
  await reading;
}
