import { S3Client } from 'bun';

export interface S3ArchiveOptions {
  readonly bucket: string;
  /** Before each name, such as `logs/`; may be empty. */
  readonly prefix: string;
  /** Undefined for that of AWS in the region. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** Undefined takes the credentials from the environment. */
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
}

/** Bytes of one part of an upload: the smallest that S3 accepts. At most two are in memory. */
const PART_BYTES = 5 * 1024 * 1024;
const RETRIES = 3;

/** Files in a bucket of an S3-compatible object store. Methods reject with the runtime's error, which has S3's code. */
export class S3Archive {
  readonly #client: S3Client;

  constructor(private readonly options: S3ArchiveOptions) {
    const { bucket, endpoint, region, accessKeyId, secretAccessKey, sessionToken } = options;
    this.#client = new S3Client({
      bucket,
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(accessKeyId !== undefined && { accessKeyId }),
      ...(secretAccessKey !== undefined && { secretAccessKey }),
      ...(sessionToken !== undefined && { sessionToken }),
    });
  }

  /** Uploads in parts, so that a file of any size takes a few MiB of memory. An upload that fails leaves no object. */
  async put(name: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    const writer = this.#client.file(this.#key(name)).writer({
      ...{ partSize: PART_BYTES, queueSize: 1, retry: RETRIES, type: 'application/zstd' },
    });
    try {
      let unsent = 0;
      for await (const chunk of body) {
        writer.write(chunk);
        unsent += chunk.length;
        // Waits for the network, or the whole file would be read into memory.
        if (unsent >= PART_BYTES) {
          await writer.flush();
          unsent = 0;
        }
      }
    } catch (error) {
      // The runtime cannot abort an upload: it completes it with what was sent.
      await writer.end();
      await this.remove(name);
      throw error;
    }
    await writer.end();
  }

  async list(): Promise<readonly string[]> {
    const { prefix } = this.options;
    const names: string[] = [];
    let startAfter: string | undefined;
    for (;;) {
      const { contents = [], isTruncated } = await this.#client.list({
        prefix,
        ...(startAfter !== undefined && { startAfter }),
      });
      for (const { key } of contents) names.push(key.slice(prefix.length));
      startAfter = contents.at(-1)?.key;
      if (!isTruncated || startAfter === undefined) return names;
    }
  }

  read(name: string): AsyncIterable<Uint8Array> {
    return this.#client.file(this.#key(name)).stream();
  }

  async remove(name: string): Promise<void> {
    await this.#client.delete(this.#key(name));
  }

  #key(name: string): string {
    return `${this.options.prefix}${name}`;
  }
}
