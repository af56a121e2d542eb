import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import type { ObjectStorage } from '../platform/object-storage/object-storage.ts';
import { archivedName, type LogFileName, parseArchivedName, parseHotName } from './log-file-names.ts';

/** Bytes that are read and compressed at once. */
const CHUNK_BYTES = 64 * 1024;
/** Of all keys: what else is in the archive is not visited. */
const KEY_PREFIX = 'weir-';

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
  readonly archive: ObjectStorage;
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
  if (isWorthKeeping) {
    await archive.put(archivedName(name, mtimeMs), compressed(path), { contentType: 'application/zstd' });
  }
  await rm(path, { force: true });
}

/** Deletes compressed files that are older than both periods. @param now Unix milliseconds. @throws the store's error */
export async function deleteOldArchives(
  { archive, hotMs, warmMs }: LogRetention,
  now: number,
): Promise<void> {
  const keepMs = hotMs + (warmMs ?? 0);
  for (const file of await archivedFiles(archive)) {
    if (file.end < now - keepMs) await archive.delete(file.name);
  }
}

/** @returns compressed log files. @throws the store's error */
export async function archivedFiles(
  archive: Pick<ObjectStorage, 'list'>,
): Promise<(LogFileName & { readonly end: number })[]> {
  const files: (LogFileName & { readonly end: number })[] = [];
  for await (const { key } of archive.list(KEY_PREFIX)) {
    const { start, end } = parseArchivedName(key) ?? {};
    if (start !== undefined && end !== undefined) files.push({ name: key, start, end });
  }
  return files;
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
