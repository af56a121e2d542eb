import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncToDisk } from '../file-sync.ts';
import { randomIds } from '../random-ids.ts';
import {
  assertObjectKey,
  ObjectExistsError,
  ObjectMissingError,
  type ObjectStorage,
  ObjectStorageError,
  type PutOptions,
  type StoredObject,
} from './object-storage.ts';

/** Bytes that one piece of an object has. */
const CHUNK_BYTES = 256 * 1024;
/** Of files that are being written. Keys have no segment that begins with a dot, so no list contains them. */
const PARTIAL = '.partial-';

/** Objects as files of a folder, which only its owner can read. A power failure leaves an object whole or absent. */
export class FolderStorage implements ObjectStorage {
  readonly location: string;
  readonly #nextId = randomIds('');

  /** @param folder created with the first object */
  constructor(folder: string) {
    this.location = resolve(folder);
  }

  async put(
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { ifAbsent = false }: PutOptions = {},
  ): Promise<number> {
    const path = this.#path(key);
    const folder = dirname(path);
    const partial = join(folder, `${PARTIAL}${this.#nextId()}`);
    try {
      const made = await mkdir(folder, { recursive: true, mode: 0o700 });
      await write(partial, body);
      const { size } = await stat(partial);
      // A link fails where the file exists; a rename replaces it.
      await (ifAbsent ? link(partial, path) : rename(partial, path));
      syncToDisk(folder);
      if (made !== undefined) syncParents(folder, dirname(made));
      return size;
    } catch (error) {
      if (ifAbsent && codeOf(error) === 'EEXIST') throw new ObjectExistsError(this.location, key);
      throw this.#failure(error, `write "${key}"`);
    } finally {
      // Its folder may not exist; the error of the write is the one to report.
      await rm(partial, { force: true }).catch(() => undefined);
    }
  }

  async *get(key: string): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of createReadStream(this.#path(key), { highWaterMark: CHUNK_BYTES }))
        yield piece;
    } catch (error) {
      if (isMissing(error)) throw new ObjectMissingError(this.location, key);
      throw this.#failure(error, `read "${key}"`);
    }
  }

  async head(key: string): Promise<StoredObject | undefined> {
    try {
      const found = await stat(this.#path(key));
      return found.isFile() ? { key, bytes: found.size, modifiedAt: found.mtimeMs } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw this.#failure(error, `read "${key}"`);
    }
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder !== '') assertObjectKey(folder.slice(0, -1));
    yield* this.#listFolder(folder, prefix);
  }

  async delete(key: string): Promise<void> {
    try {
      await rm(this.#path(key), { force: true });
    } catch (error) {
      throw this.#failure(error, `delete "${key}"`);
    }
  }

  /** @param folder empty, or with a slash at its end */
  async *#listFolder(folder: string, prefix: string): AsyncGenerator<StoredObject> {
    let names: { readonly name: string; isDirectory(): boolean }[];
    try {
      names = await readdir(join(this.location, folder), { withFileTypes: true });
    } catch (error) {
      if (isMissing(error)) return;
      throw this.#failure(error, `list "${folder}"`);
    }
    const entries = names
      .filter(({ name }) => !name.startsWith('.'))
      .map((entry) => ({ key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}` }))
      // Folders with their slash, so that the order is that of whole keys.
      .sort((one, other) => (one.key < other.key ? -1 : 1));
    for (const { key } of entries) {
      if (key.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#listFolder(key, prefix);
      } else if (key.startsWith(prefix)) {
        const found = await stat(join(this.location, key)).catch(() => undefined);
        // Deleted meanwhile.
        if (found) yield { key, bytes: found.size, modifiedAt: found.mtimeMs };
      }
    }
  }

  #path(key: string): string {
    assertObjectKey(key);
    return join(this.location, key);
  }

  #failure(error: unknown, action: string): Error {
    const code = codeOf(error);
    if (code === undefined) return error instanceof Error ? error : new Error(String(error));
    const reason = REASONS[code] ?? (error instanceof Error ? error.message : code);
    return new ObjectStorageError(`Cannot ${action} in ${this.location}: ${reason}.`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free space, or choose another folder',
  EDQUOT: 'the quota of the disk is used up. Free space, or choose another folder',
  EROFS: 'the disk is read-only. Choose another folder',
  EACCES: 'this user may not. Change the permissions of the folder, or choose another one',
  EPERM: 'this user may not. Change the permissions of the folder, or choose another one',
  ENOTDIR: 'a part of its path is a file',
};

async function write(path: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const options = { mode: 0o600, flag: 'wx', flush: true } as const;
  if (body instanceof Uint8Array) await writeFile(path, body, options);
  else {
    const { flag: flags, ...rest } = options;
    await pipeline(body, createWriteStream(path, { ...rest, flags }));
  }
}

/** Waits until the disk has the entries of new folders. @param top the first that existed already */
function syncParents(folder: string, top: string): void {
  for (let at = folder; at !== top && at !== dirname(at); at = dirname(at)) syncToDisk(dirname(at));
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
