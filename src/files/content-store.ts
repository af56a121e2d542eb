import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the contents of files are. Names are made by Weir, never by clients. Methods reject with the store's error. */
export interface ContentStore {
  /** Stores a content; all of it, or nothing where `content` fails. */
  write(name: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** @param from the first byte */
  read(name: string, from?: number): AsyncIterable<Uint8Array>;
  /** No effect where there is none. */
  remove(name: string): Promise<void>;
  /** @returns the names of contents that were stored before a moment, in Unix milliseconds */
  namesBefore(time: number): AsyncIterable<string>;
}

const NAME = /^[\w-]{8,100}$/;
const UNFINISHED = '.part';

/** Contents as files in a folder, which only the user of this process can read. */
export class FolderContentStore implements ContentStore {
  constructor(private readonly folder: string) {}

  async write(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#path(name);
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const part = `${path}${UNFINISHED}`;
    const file = await open(part, 'w', 0o600);
    try {
      try {
        await writeAll(file, content);
        // Its row is committed afterwards: a power failure must not leave a row without content.
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  read(name: string, from = 0): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path(name), { start: from, highWaterMark: 256 * 1024 });
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  async *namesBefore(time: number): AsyncIterable<string> {
    let names: string[];
    try {
      names = await readdir(this.folder);
    } catch {
      // Nothing was stored yet.
      return;
    }
    for (const name of names) {
      const found = await stat(join(this.folder, name)).catch(() => undefined);
      if (!found?.isFile() || found.mtimeMs >= time) continue;
      if (name.endsWith(UNFINISHED)) await rm(join(this.folder, name), { force: true });
      else yield name;
    }
  }

  #path(name: string): string {
    if (!NAME.test(name)) throw new TypeError(`not the name of a content: ${JSON.stringify(name)}`);
    return join(this.folder, name);
  }
}

async function writeAll(file: FileHandle, content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, at);
      at += bytesWritten;
    }
  }
}
