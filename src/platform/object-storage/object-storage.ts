/** An object of a storage. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** Unix milliseconds of the last write. */
  readonly modifiedAt: number;
}

export interface PutOptions {
  /** Such as `application/json`. */
  readonly contentType?: string;
  /** Rejects with `ObjectExistsError` where the object exists already. Needs a whole body. */
  readonly ifAbsent?: boolean;
}

/**
 * Keeps objects under keys: a folder, or a bucket of an S3-compatible store. `object-storage.test.ts` runs the same suite on
 * both. Keys consist of segments of letters, digits and `._-=+@`, joined by `/`; see `assertObjectKey`.
 *
 * Fails closed: methods reject with `ObjectStorageError` while the storage is unreachable or denies access.
 */
export interface ObjectStorage {
  /** Where it is, for messages; without credentials. */
  readonly location: string;
  /**
   * Stores an object as a whole, or leaves the one that was there. A stream of any size takes a few MiB of memory.
   * @returns the number of bytes stored
   */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<number>;
  put(key: string, body: AsyncIterable<Uint8Array>, options?: Omit<PutOptions, 'ifAbsent'>): Promise<number>;
  /**
   * Reads an object piece by piece; the first piece may be awaited long after the call.
   * @throws ObjectMissingError when iterated
   */
  get(key: string): AsyncIterable<Uint8Array>;
  /** @returns undefined where there is no such object */
  head(key: string): Promise<StoredObject | undefined>;
  /** Yields the objects whose keys begin with `prefix`, by key in the order of its UTF-8 bytes. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Without an error for an object that does not exist. */
  delete(key: string): Promise<void>;
}

/** The storage cannot do what was asked. The message names the storage, the cause and what to do. */
export class ObjectStorageError extends Error {
  override readonly name: string = 'ObjectStorageError';
}

export class ObjectMissingError extends ObjectStorageError {
  override readonly name = 'ObjectMissingError';

  constructor(location: string, key: string) {
    super(`There is no "${key}" in ${location}.`);
  }
}

export class ObjectExistsError extends ObjectStorageError {
  override readonly name = 'ObjectExistsError';

  constructor(location: string, key: string) {
    super(`"${key}" exists already in ${location}.`);
  }
}

/** S3 allows 1,024 bytes, of which the prefix takes some; file systems allow 255 in a segment. */
const MAX_KEY_LENGTH = 700;
const MAX_SEGMENT_LENGTH = 200;
const SEGMENT = /^[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]*$/;

/** @throws Error for a key that is no relative path of plain names, such as one with `..`, a hidden file or a space */
export function assertObjectKey(key: string): void {
  const segments = key.split('/');
  const isValid =
    key.length <= MAX_KEY_LENGTH &&
    segments.every((segment) => segment.length <= MAX_SEGMENT_LENGTH && SEGMENT.test(segment));
  if (!isValid) throw new Error(`not a key of an object: ${JSON.stringify(key.slice(0, 80))}`);
}

/** @returns the whole object. @throws ObjectStorageError for one that is larger than `maxBytes` */
export async function readObject(storage: ObjectStorage, key: string, maxBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of storage.get(key)) {
    bytes += piece.length;
    if (bytes > maxBytes) {
      throw new ObjectStorageError(`"${key}" in ${storage.location} is larger than ${maxBytes} bytes.`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
