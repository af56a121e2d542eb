import { randomUUID } from 'node:crypto';
import {
  assertObjectKey,
  ObjectExistsError,
  ObjectMissingError,
  type ObjectStorage,
  ObjectStorageError,
  type PutOptions,
  type StoredObject,
} from './object-storage.ts';
import { S3Client, type S3ClientOptions, type S3Response, S3ResponseError } from './s3-client.ts';
import { elementsOf, elementText, escapeXml } from './s3-xml.ts';

export interface S3StorageOptions extends S3ClientOptions {
  /** What all keys begin with in the bucket; usually empty, or with a slash at its end. */
  readonly prefix: string;
  /** Bytes of one part of an upload; the last may be smaller. At least 5 MiB for most stores. */
  readonly partBytes?: number;
}

/** One part is in memory; 10,000 parts are allowed, so an object has up to 80 GB. */
const PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;
/** Names the write of an object, to recognise it after its response was lost. */
const WRITE_ID = 'x-amz-meta-weir-write';

/** Objects of a bucket of an S3-compatible store. */
export class S3Storage implements ObjectStorage {
  readonly location: string;
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #partBytes: number;

  constructor(options: S3StorageOptions) {
    const { bucket, prefix, partBytes = PART_BYTES } = options;
    this.location = `s3://${bucket}/${prefix}`;
    this.#client = new S3Client(options);
    this.#prefix = prefix;
    this.#partBytes = partBytes;
  }

  async put(
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { contentType = 'application/octet-stream', ifAbsent = false }: PutOptions = {},
  ): Promise<number> {
    const name = this.#name(key);
    const type = { 'content-type': contentType };
    if (body instanceof Uint8Array) {
      if (ifAbsent) await this.#create(key, body, type);
      else await this.#client.send({ method: 'PUT', key: name, headers: type, body });
      return body.length;
    }
    const parts = partsOf(body, this.#partBytes);
    const first = await parts.next();
    const start = first.done === true ? new Uint8Array() : first.value;
    if (start.length < this.#partBytes) {
      await this.#client.send({ method: 'PUT', key: name, headers: type, body: start });
      return start.length;
    }
    return this.#upload(name, type, start, parts);
  }

  async *get(key: string): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#client.download(this.#name(key));
    } catch (error) {
      if (isStatus(error, 404)) throw new ObjectMissingError(this.location, key);
      throw error;
    }
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const found = await this.#head(key);
    return (
      found && { key, bytes: Number(found.headers.get('content-length')), modifiedAt: modifiedAt(found) }
    );
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    let token: string | undefined;
    do {
      const { text } = await this.#client.send({
        method: 'GET',
        key: undefined,
        query: {
          'list-type': '2',
          prefix: `${this.#prefix}${prefix}`,
          ...(token !== undefined && { 'continuation-token': token }),
        },
      });
      for (const one of elementsOf(text, 'Contents')) {
        const key = (elementText(one, 'Key') ?? '').slice(this.#prefix.length);
        // Consoles of stores create empty objects as folders.
        if (key === '' || key.endsWith('/')) continue;
        const modified = Date.parse(elementText(one, 'LastModified') ?? '');
        yield { key, bytes: Number(elementText(one, 'Size')), modifiedAt: modified };
      }
      token = elementText(text, 'NextContinuationToken');
      if (token === undefined && elementText(text, 'IsTruncated') === 'true') {
        throw new ObjectStorageError(`${this.location}: the store's list is incomplete.`);
      }
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    await this.#client.send({ method: 'DELETE', key: this.#name(key) }).catch((error: unknown) => {
      if (!isStatus(error, 404)) throw error;
    });
  }

  /** Writes an object that must not exist. A write whose response was lost is recognised by its id. */
  async #create(key: string, body: Uint8Array, type: Record<string, string>): Promise<void> {
    const id = randomUUID();
    const headers = { ...type, 'if-none-match': '*', [WRITE_ID]: id };
    try {
      await this.#client.send({ method: 'PUT', key: this.#name(key), headers, body });
    } catch (error) {
      // 409: another client creates it at this moment.
      if (!isStatus(error, 412) && !isStatus(error, 409)) throw error;
      if ((await this.#head(key))?.headers.get(WRITE_ID) !== id)
        throw new ObjectExistsError(this.location, key);
    }
  }

  async #head(key: string): Promise<S3Response | undefined> {
    try {
      return await this.#client.send({ method: 'HEAD', key: this.#name(key) });
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** Uploads in parts, and aborts the upload when a part or its source fails. */
  async #upload(
    key: string,
    headers: Record<string, string>,
    first: Uint8Array,
    rest: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const client = this.#client;
    const begun = await client.send({ method: 'POST', key, query: { uploads: '' }, headers });
    const uploadId = elementText(begun.text, 'UploadId');
    if (uploadId === undefined) throw new ObjectStorageError(`${this.location}: the store began no upload.`);
    const tags: string[] = [];
    let bytes = 0;
    const send = async (part: Uint8Array) => {
      const partNumber = tags.length + 1;
      if (partNumber > MAX_PARTS) {
        throw new ObjectStorageError(
          `${this.location}: an object has more than ${MAX_PARTS} parts of ${this.#partBytes} bytes.`,
        );
      }
      const query = { partNumber: String(partNumber), uploadId };
      const sent = await client.send({ method: 'PUT', key, query, body: part });
      tags.push(sent.headers.get('etag') ?? '');
      bytes += part.length;
    };
    try {
      await send(first);
      for await (const part of rest) await send(part);
      await client.send({ method: 'POST', key, query: { uploadId }, body: completion(tags) });
      return bytes;
    } catch (error) {
      // The error of the upload is the one to report; the store's life-cycle rule deletes the parts otherwise.
      await client.send({ method: 'DELETE', key, query: { uploadId } }).catch(() => undefined);
      throw error;
    }
  }

  #name(key: string): string {
    assertObjectKey(key);
    return `${this.#prefix}${key}`;
  }
}

/** Joins and splits pieces to parts of the same size, as some stores demand; the last is smaller. */
async function* partsOf(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let part = Buffer.allocUnsafe(0);
  let used = 0;
  for await (const piece of body) {
    let at = 0;
    while (at < piece.length) {
      if (used === part.length) {
        // Grows with the content, so that small objects take little memory.
        const grown = Buffer.allocUnsafe(Math.min(size, Math.max(2 * used, piece.length - at, 64 * 1024)));
        part.copy(grown, 0, 0, used);
        part = grown;
      }
      const count = Math.min(part.length - used, piece.length - at);
      part.set(piece.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used === size) {
        yield part;
        part = Buffer.allocUnsafe(0);
        used = 0;
      }
    }
  }
  if (used > 0) yield part.subarray(0, used);
}

function completion(tags: readonly string[]): string {
  const parts = tags.map(
    (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
}

function modifiedAt({ headers }: S3Response): number {
  return Date.parse(headers.get('last-modified') ?? '');
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof S3ResponseError && error.status === status;
}
