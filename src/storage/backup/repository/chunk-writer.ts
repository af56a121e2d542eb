import { crc32 } from 'node:zlib';
import type { BackupRepository } from './repository.ts';
import type { Chunk, ChunkRun, Content } from './snapshot.ts';

/** Uploads at the same time: an object store takes 20 to 50 ms for each. */
const CONCURRENCY = 4;

/** Stores chunks that the repository does not have yet. */
export class ChunkWriter {
  #chunks = 0;
  #bytes = 0;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  readonly #known: Set<string>;

  /** @param known chunks that are in the repository, and stay there meanwhile */
  constructor(
    private readonly repository: BackupRepository,
    known: Iterable<string>,
  ) {
    this.#known = new Set(known);
  }

  /** What was added to the repository: chunks, and their bytes in it. */
  get written(): { readonly chunks: number; readonly bytes: number } {
    return { chunks: this.#chunks, bytes: this.#bytes };
  }

  /** Waits while too many chunks are on their way. @throws the error of this or an earlier chunk */
  async store(content: Uint8Array): Promise<Chunk> {
    const name = this.repository.nameOf(content);
    if (!this.#known.has(name)) {
      this.#known.add(name);
      const running = this.#put(name, content).finally(() => this.#running.delete(running));
      this.#running.add(running);
      if (this.#running.size >= CONCURRENCY) await Promise.race(this.#running);
    }
    this.#assertNoFailure();
    return { name, bytes: content.length };
  }

  /** Stores content in chunks as a whole. */
  async describe(chunks: readonly Chunk[]): Promise<Content> {
    const { content, index } = this.repository.describe(chunks);
    if (index) await this.store(index);
    return content;
  }

  /** Waits until all chunks are stored. */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
    this.#assertNoFailure();
  }

  async #put(name: string, content: Uint8Array): Promise<void> {
    try {
      const bytes = await this.repository.putChunk(name, content);
      this.#bytes += bytes;
      this.#chunks += 1;
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #assertNoFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

const MIN_LENGTH = 64 * 1024;
/** Average length of a chunk. */
const USUAL_LENGTH = 512 * 1024;
const MAX_LENGTH = 2 * 1024 * 1024;

/**
 * Joins lines to chunks. Content decides where a chunk ends, so that an inserted line changes one chunk and not all that follow.
 */
export class LineChunks {
  readonly chunks: Chunk[] = [];
  #lines: string[] = [];
  #length = 0;

  constructor(private readonly writer: ChunkWriter) {}

  async add(line: string): Promise<void> {
    this.hold(line);
    if (this.#length >= MAX_LENGTH || (this.#length >= MIN_LENGTH && isEnd(line))) await this.cut();
  }

  /** Adds a line to a chunk that the caller ends. */
  hold(line: string): void {
    this.#lines.push(line);
    this.#length += line.length;
  }

  /** Ends a chunk here. @param run the rows that it consists of */
  async cut(run?: ChunkRun): Promise<void> {
    if (this.#lines.length === 0) return;
    const content = Buffer.from(`${this.#lines.join('\n')}\n`);
    this.#lines = [];
    this.#length = 0;
    this.chunks.push({ ...(await this.writer.store(content)), ...(run && { run }) });
  }

  /** Adds a chunk of the previous backup. */
  async reuse(chunk: Chunk): Promise<void> {
    await this.cut();
    this.chunks.push(chunk);
  }
}

function isEnd(line: string): boolean {
  return crc32(line) / 2 ** 32 < line.length / USUAL_LENGTH;
}
