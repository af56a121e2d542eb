import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { parseJsonText } from '../../../core/json.ts';
import { sha256Hex } from '../../../platform/hash.ts';
import {
  ObjectExistsError,
  ObjectMissingError,
  type ObjectStorage,
  readObject,
} from '../../../platform/object-storage/object-storage.ts';
import { BackupError } from '../manifest.ts';
import { createRepositoryKey, ObjectCipher, openRepositoryKey, type RepositorySecret } from './keys.ts';
import {
  type Chunk,
  type Content,
  chunkList,
  REPOSITORY_FORMAT,
  type RepositoryHeader,
  repositoryHeader,
  type Snapshot,
  snapshot,
  snapshotTime,
} from './snapshot.ts';

const HEADER = 'weir-backups.json';
const CHUNKS = 'chunks/';
/** What the keys of backups begin with; their names follow. */
export const SNAPSHOTS = 'snapshots/';
/** A chunk has about 1 MiB, or one long row. */
const MAX_OBJECT_BYTES = 1024 * 1024 * 1024;
const DIGEST_BYTES = 32;
const MAX_HEADER_BYTES = 64 * 1024;
/** Lists of this many chunks are a chunk of their own, which unchanged databases share. */
const MAX_INLINE_CHUNKS = 16;

/**
 * Many backups in one storage. Each is complete by its own, and shares the chunks that it has in common with others: a chunk is
 * named after its content, compressed, and encrypted where the repository is.
 */
export class BackupRepository {
  private constructor(
    readonly storage: ObjectStorage,
    /** Undefined for a repository that is not encrypted. */
    private readonly cipher: ObjectCipher | undefined,
  ) {}

  get isEncrypted(): boolean {
    return this.cipher !== undefined;
  }

  get location(): string {
    return this.storage.location;
  }

  /** Whether there is a repository in a storage. */
  static async existsIn(storage: ObjectStorage): Promise<boolean> {
    return (await storage.head(HEADER)) !== undefined;
  }

  /** @throws BackupError when there is none, for a wrong secret, and for a newer format */
  static async open(storage: ObjectStorage, secret: RepositorySecret | undefined): Promise<BackupRepository> {
    const { key } = await readHeader(storage);
    if (key === null) {
      if (secret !== undefined) {
        throw new BackupError(
          `The backups in ${storage.location} are not encrypted. Leave the passphrase or key out, or choose an empty location for encrypted ones.`,
        );
      }
      return new BackupRepository(storage, undefined);
    }
    const opened = await openRepositoryKey(key, secret, storage.location);
    return new BackupRepository(storage, new ObjectCipher(opened));
  }

  /** Creates a repository, or opens the one that another process has created meanwhile. */
  static async create(
    storage: ObjectStorage,
    secret: RepositorySecret | undefined,
    now: Date,
  ): Promise<BackupRepository> {
    const made = secret && (await createRepositoryKey(secret));
    const header: RepositoryHeader = {
      weir_backups: REPOSITORY_FORMAT,
      created_at: now.toISOString(),
      key: made?.stored ?? null,
    };
    const text = `${JSON.stringify(repositoryHeader.parse(header), null, 2)}\n`;
    try {
      await storage.put(HEADER, Buffer.from(text), { contentType: 'application/json', ifAbsent: true });
    } catch (error) {
      if (error instanceof ObjectExistsError) return BackupRepository.open(storage, secret);
      throw error;
    }
    return new BackupRepository(storage, made && new ObjectCipher(made.key));
  }

  nameOf(content: Uint8Array): string {
    return this.cipher?.nameOf(content) ?? digestOf(content).toString('hex');
  }

  /** @returns bytes in the storage */
  putChunk(name: string, content: Uint8Array): Promise<number> {
    return this.storage.put(chunkKey(name), this.#packed(chunkKey(name), content));
  }

  /** @throws BackupError when it is missing or altered */
  async getChunk({ name, bytes }: Pick<Chunk, 'name' | 'bytes'>): Promise<Buffer> {
    const content = await this.#read(chunkKey(name), bytes);
    if (content.length !== bytes || this.nameOf(content) !== name) throw this.#altered(chunkKey(name));
    return content;
  }

  async deleteChunk(name: string): Promise<void> {
    await this.storage.delete(chunkKey(name));
  }

  /** Yields names and sizes of all stored chunks. */
  async *storedChunks(): AsyncGenerator<{ readonly name: string; readonly bytes: number }> {
    for await (const { key, bytes } of this.storage.list(CHUNKS)) {
      yield { name: key.slice(key.lastIndexOf('/') + 1), bytes };
    }
  }

  /** @returns how content in these chunks is recorded, and the chunk to store for it, if any */
  describe(chunks: readonly Chunk[]): { readonly content: Content; readonly index?: Buffer } {
    if (chunks.length <= MAX_INLINE_CHUNKS) return { content: { chunks: [...chunks] } };
    const index = Buffer.from(JSON.stringify(chunks));
    const bytes = chunks.reduce((sum, one) => sum + one.bytes, 0);
    return { content: { index: { name: this.nameOf(index), bytes: index.length }, bytes }, index };
  }

  async chunksOf(content: Content): Promise<readonly Chunk[]> {
    if (!('index' in content)) return content.chunks;
    const list = chunkList.safeParse(parseJsonText(String(await this.getChunk(content.index))));
    if (!list.success) throw this.#altered(chunkKey(content.index.name));
    return list.data;
  }

  /** @returns the names of all backups, oldest first */
  async snapshotNames(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { key } of this.storage.list(SNAPSHOTS)) {
      const name = key.slice(SNAPSHOTS.length);
      if (snapshotTime(name) !== undefined) names.push(name);
    }
    return names;
  }

  /** @throws BackupError when it is missing, altered, or of a newer version */
  async readSnapshot(name: string): Promise<Snapshot> {
    const key = `${SNAPSHOTS}${name}`;
    const text = String(await this.#read(key, MAX_OBJECT_BYTES));
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== sha256Hex(body)) throw this.#altered(key);
    const { data, error } = snapshot.safeParse(parseJsonText(body));
    if (data?.name === name) return data;
    if (data) throw this.#altered(key);
    throw new BackupError(
      `${key} in ${this.location} was made by a newer version of Weir: use that one.\n${z.prettifyError(error)}`,
    );
  }

  /** Makes a backup visible, after all of its chunks are stored. */
  async writeSnapshot(contents: Snapshot): Promise<void> {
    const body = JSON.stringify(snapshot.parse(contents));
    const key = `${SNAPSHOTS}${contents.name}`;
    await this.storage.put(key, this.#packed(key, Buffer.from(`${sha256Hex(body)}\n${body}`)), {
      ifAbsent: true,
    });
  }

  async deleteSnapshot(name: string): Promise<void> {
    await this.storage.delete(`${SNAPSHOTS}${name}`);
  }

  #packed(key: string, content: Uint8Array): Buffer {
    const packed = zstdCompressSync(content);
    return this.cipher?.seal(key, packed) ?? Buffer.concat([digestOf(packed), packed]);
  }

  async #read(key: string, maxBytes: number): Promise<Buffer> {
    let stored: Buffer;
    try {
      // Content that cannot be compressed grows a little.
      stored = await readObject(this.storage, key, maxBytes + maxBytes / 100 + MAX_HEADER_BYTES);
    } catch (error) {
      if (!(error instanceof ObjectMissingError)) throw error;
      throw new BackupError(`The backups in ${this.location} are incomplete: ${key} is missing.`, {
        cause: error,
      });
    }
    try {
      const packed = this.cipher?.open(key, stored) ?? undigested(stored);
      return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, maxBytes) });
    } catch (cause) {
      throw this.#altered(key, cause);
    }
  }

  #altered(key: string, cause?: unknown): BackupError {
    return new BackupError(`The backups in ${this.location} are altered: ${key} is not what was stored.`, {
      cause,
    });
  }
}

async function readHeader(storage: ObjectStorage): Promise<RepositoryHeader> {
  let text: string;
  try {
    text = String(await readObject(storage, HEADER, MAX_HEADER_BYTES));
  } catch (error) {
    if (!(error instanceof ObjectMissingError)) throw error;
    throw new BackupError(`There are no backups in ${storage.location}: ${HEADER} is missing.`, {
      cause: error,
    });
  }
  const value = parseJsonText(text);
  const format = z.object({ weir_backups: z.int() }).safeParse(value).data?.weir_backups;
  if (format !== undefined && format > REPOSITORY_FORMAT) {
    throw new BackupError(
      `The backups in ${storage.location} have format ${format}; this version of Weir reads up to ${REPOSITORY_FORMAT}. Use a newer version.`,
    );
  }
  const { data, error } = repositoryHeader.safeParse(value);
  if (data) return data;
  throw new BackupError(`${HEADER} in ${storage.location} is altered:\n${z.prettifyError(error)}`);
}

/** Objects that are not encrypted begin with the SHA-256 of the rest: a changed bit may leave their content as it was. */
function undigested(stored: Buffer): Buffer {
  const packed = stored.subarray(DIGEST_BYTES);
  if (!digestOf(packed).equals(stored.subarray(0, DIGEST_BYTES))) throw new Error('its digest differs');
  return packed;
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function chunkKey(name: string): string {
  return `${CHUNKS}${name.slice(0, 2)}/${name}`;
}
