import type { Kysely } from 'kysely';
import type { BackupProgress } from '../create-backup.ts';
import { BackupError } from '../manifest.ts';
import type {
  BackupSource,
  RestorableBackup,
  RestorableDatabase,
  RestoreTarget,
  StoredFile,
} from '../source.ts';
import type { BackupRepository } from './repository.ts';
import { type Chunk, type Content, contentBytes, type Snapshot, type SnapshotFile } from './snapshot.ts';

const MAX_REPORTED = 20;
/** Downloads at the same time. */
const AHEAD = 4;

/** One backup of a repository. */
export class RepositorySource implements BackupSource {
  readonly location: string;

  constructor(
    private readonly repository: BackupRepository,
    readonly snapshot: Snapshot,
  ) {
    this.location = `${repository.location} (${snapshot.name})`;
  }

  async check(onProgress: (progress: BackupProgress) => void): Promise<RestorableBackup> {
    await verifySnapshot(this.repository, this.snapshot, new Set(), onProgress);
    const { databases, journal, files, ...described } = this.snapshot;
    return {
      ...described,
      databases: databases.map(({ content, ...saved }) => ({
        ...saved,
        ...{ file: `the database of ${saved.tenant ?? 'all tenants'}`, isPortable: true },
        bytes: contentBytes(content),
      })),
      journalFiles: journal.length,
      installationFiles: files.map(({ name }) => name),
      bytes: [...databases, ...journal, ...files].reduce(
        (sum, { content }) => sum + contentBytes(content),
        0,
      ),
    };
  }

  async load<Tables>(
    { tenant }: Pick<RestorableDatabase, 'tenant'>,
    { server, database, schema }: RestoreTarget,
    edit: (db: Kysely<Tables>) => Promise<void>,
  ): Promise<void> {
    const saved = this.snapshot.databases.find((one) => one.tenant === tenant);
    if (!saved) throw new BackupError(`The backup in ${this.location} has no database of ${tenant}.`);
    await server.loadDump(database, schema, linesOf(this.#read(saved.content)), edit);
  }

  journal(): AsyncGenerator<StoredFile> {
    return this.#files(this.snapshot.journal);
  }

  files(): AsyncGenerator<StoredFile> {
    return this.#files(this.snapshot.files);
  }

  async *#files(files: readonly SnapshotFile[]): AsyncGenerator<StoredFile> {
    for (const { name, content } of files) {
      const parts: Uint8Array[] = [];
      for await (const part of this.#read(content)) parts.push(part);
      yield { name, content: Buffer.concat(parts) };
    }
  }

  async *#read(content: Content): AsyncGenerator<Uint8Array> {
    const waiting: Promise<Buffer>[] = [];
    for (const chunk of await this.repository.chunksOf(content)) {
      const read = this.repository.getChunk(chunk);
      // Awaited later; until then, its failure is not unhandled.
      read.catch(() => undefined);
      waiting.push(read);
      if (waiting.length < AHEAD) continue;
      const next = waiting.shift();
      if (next) yield await next;
    }
    for (const read of waiting) yield await read;
  }
}

/** Chunks of databases consist of whole lines. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  for await (const chunk of chunks) {
    const lines = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('utf8').split('\n');
    lines.pop();
    yield* lines;
  }
}

/**
 * Reads and checks every chunk of a backup.
 * @param checked chunks that were checked already; those of this backup are added
 * @throws BackupError that names what is missing or altered
 */
export async function verifySnapshot(
  repository: BackupRepository,
  { databases, journal, files }: Snapshot,
  checked: Set<string>,
  onProgress: (progress: BackupProgress) => void,
): Promise<void> {
  const faults: string[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      faults.push(error.message);
      return undefined;
    }
  };
  const wanted: Chunk[] = [];
  for (const { content } of [...databases, ...journal, ...files]) {
    const chunks = await attempt(() => repository.chunksOf(content));
    for (const chunk of chunks ?? []) {
      if (checked.has(chunk.name)) continue;
      checked.add(chunk.name);
      wanted.push(chunk);
    }
  }
  let done = 0;
  let bytes = 0;
  const next = wanted[Symbol.iterator]();
  const worker = async () => {
    for (const chunk of next) {
      await attempt(() => repository.getChunk(chunk));
      done += 1;
      bytes += chunk.bytes;
      onProgress({ done, total: wanted.length, bytes });
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, worker));
  if (faults.length === 0) return;
  const more = faults.length - MAX_REPORTED;
  throw new BackupError(
    [
      `The backup in ${repository.location} is incomplete or altered; nothing was restored:`,
      ...faults.slice(0, MAX_REPORTED).map((fault) => `  ${fault}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ].join('\n'),
  );
}
