import { createHash, randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { ObjectMissingError, type ObjectStorage } from '../platform/object-storage/object-storage.ts';
import type { FileRow } from '../storage/sql/batch-tables.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  type CreatedPage,
  fileById,
  fileUse,
  isFileInUse,
  listFiles,
  unwantedFiles,
} from '../storage/sql/file-store.ts';
import { lockQuota } from '../storage/sql/quota-lock.ts';
import { fileOf, type Owner, type StoredFile } from './stored-file.ts';

/** The bounds of one tenant's files. */
export interface FileBounds {
  /** Bytes of one file. */
  readonly maxSize: number;
  /** Files. */
  readonly maxCount: number;
  /** Bytes of all files. */
  readonly maxTotal: number;
  /** Milliseconds until a file expires that was uploaded without `expires_after`; null for never. */
  readonly keepMs: number | null;
}

export interface FilesOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Pick<Clock, 'wallTime'>;
  /** Keeps contents as `files/<id>`. */
  readonly contents: ObjectStorage;
  readonly bounds: () => FileBounds;
}

/** What is known of a file before its content. */
export interface NewFile {
  readonly purpose: string;
  readonly filename: string;
  /** Unix milliseconds; null for never. */
  readonly expiresAt: number | null;
}

const MAX_FILENAME = 255;
const DAY_MS = 86_400_000;
const SWEEP = 200;
const PREFIX = 'files/';

/**
 * Files of tenants: rows in the control database, contents in a store. A content is stored before its row, and removed
 * after it, so that a row always has its content. Methods reject with GatewayError or the store's error.
 */
export class Files {
  /** By tenant, while one has uploads. */
  readonly #arriving = new Map<string, ArrivingFiles>();

  constructor(private readonly options: FilesOptions) {}

  get bounds(): FileBounds {
    return this.options.bounds();
  }

  /**
   * Stores an upload as it arrives.
   * @param describe called after the content, because a form may name the purpose last
   * @throws GatewayError `request_too_large`, `quota_exceeded`, or what `describe` throws; nothing is stored then
   */
  async upload(
    owner: Owner,
    content: AsyncIterable<Uint8Array>,
    describe: () => NewFile | Promise<NewFile>,
  ): Promise<StoredFile> {
    const { control } = this.options;
    const stored = await fileUse(control, owner.tenant);
    assertQuota(stored, 0, this.bounds);
    const id = newFileId();
    const arriving = this.#arrivingOf(owner.tenant);
    arriving.uploads += 1;
    arriving.stored = stored.bytes;
    const measured = new MeasuredContent(content, this.bounds.maxSize, (bytes) => {
      arriving.bytes += bytes;
      assertSize(arriving.stored + arriving.bytes, this.bounds);
    });
    const storing = this.#store(id, measured, async () => {
      const row = rowOf(id, owner, await describe(), measured, this.options.clock.wallTime());
      await control.transaction().execute(async (transaction) => {
        await lockQuota(transaction, 'files', owner.tenant);
        await transaction.insertInto('files').values(row).execute();
        // With the row of this file.
        assertQuota(await fileUse(transaction, owner.tenant), 1, this.bounds);
      });
      arriving.stored += row.bytes;
      return row;
    });
    return storing.finally(() => {
      arriving.uploads -= 1;
      arriving.bytes -= measured.bytes;
      if (arriving.uploads === 0) this.#arriving.delete(owner.tenant);
    });
  }

  #arrivingOf(tenant: string): ArrivingFiles {
    const known = this.#arriving.get(tenant) ?? { uploads: 0, bytes: 0, stored: 0 };
    this.#arriving.set(tenant, known);
    return known;
  }

  /** Stores a file that Weir writes, which counts for no quota. @param id from `newFileId`; an existing file is replaced */
  async writeOwn(
    id: string,
    tenant: string,
    file: NewFile,
    content: AsyncIterable<Uint8Array>,
  ): Promise<StoredFile> {
    const { control, clock } = this.options;
    const measured = new MeasuredContent(content, Number.POSITIVE_INFINITY, () => undefined);
    const owner = { tenant, keyId: '', member: null };
    return this.#store(id, measured, async () => {
      const row = { ...rowOf(id, owner, file, measured, clock.wallTime()), own: 1 };
      const { bytes, digest } = row;
      await control
        .insertInto('files')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ bytes, digest }))
        .execute();
      return row;
    });
  }

  /** @throws GatewayError `not_found` */
  async get(tenant: string, id: string): Promise<StoredFile> {
    // PostgreSQL rejects texts with NUL.
    const row = id.includes('\0') ? undefined : await fileById(this.options.control, tenant, id);
    if (!row || isExpired(row, this.options.clock.wallTime())) throw notFound(id);
    return fileOf(row);
  }

  /** @returns a page of a tenant's files */
  async list(page: CreatedPage & { readonly purpose?: string | undefined }): Promise<StoredFile[]> {
    const rows = await listFiles(this.options.control, page, this.options.clock.wallTime());
    return rows.map(fileOf);
  }

  /** @returns the content of a file @throws ObjectMissingError where it is lost, such as after a restore without it */
  async open(file: Pick<StoredFile, 'id'>): Promise<AsyncIterable<Uint8Array>> {
    const { contents } = this.options;
    const key = keyOf(file.id);
    if (!(await contents.head(key))) throw new ObjectMissingError(contents.location, key);
    return this.content(file);
  }

  /** @returns the content of a file that exists */
  content({ id }: Pick<StoredFile, 'id'>): AsyncIterable<Uint8Array> {
    return this.options.contents.get(keyOf(id));
  }

  /** @throws GatewayError `not_found`, or `conflict` while a batch reads the file */
  async delete(tenant: string, id: string): Promise<void> {
    const { control, contents } = this.options;
    await this.get(tenant, id);
    if (await isFileInUse(control, id)) {
      throw new GatewayError(
        'conflict',
        `The file "${id}" is the input of a batch that has not ended. Cancel the batch first.`,
      );
    }
    await control.deleteFrom('files').where('id', '=', id).where('tenant', '=', tenant).execute();
    await contents.delete(keyOf(id));
  }

  /** Deletes files that have expired, and those of deleted tenants; to be called every minute. @returns their number */
  async deleteExpired(): Promise<number> {
    const { control, contents, clock } = this.options;
    const rows = await unwantedFiles(control, clock.wallTime(), SWEEP);
    for (const { id } of rows) {
      await control.deleteFrom('files').where('id', '=', id).execute();
      await contents.delete(keyOf(id));
    }
    return rows.length;
  }

  /** Removes contents that have no row, a day after they were stored; to be called every hour. */
  async deleteOrphans(): Promise<void> {
    const { control, contents, clock } = this.options;
    for await (const { key, modifiedAt } of contents.list(PREFIX)) {
      if (modifiedAt >= clock.wallTime() - DAY_MS) continue;
      const id = key.slice(PREFIX.length);
      const row = await control.selectFrom('files').select('id').where('id', '=', id).executeTakeFirst();
      if (!row) await contents.delete(key);
    }
  }

  async #store(id: string, content: MeasuredContent, add: () => Promise<FileRow>): Promise<StoredFile> {
    const { contents } = this.options;
    try {
      await contents.put(keyOf(id), content);
    } catch (error) {
      // The storage wraps what its source throws.
      throw content.failure ?? error;
    }
    try {
      return fileOf(await add());
    } catch (error) {
      await contents.delete(keyOf(id));
      throw error;
    }
  }
}

/** @returns an id that cannot be guessed */
export function newFileId(): string {
  return `file-${randomBytes(16).toString('hex')}`;
}

/** Uploads of one tenant that have begun and not ended: their parts are on the disk, without a row. */
interface ArrivingFiles {
  uploads: number;
  bytes: number;
  /** Bytes of the tenant's files with a row, when the latest upload began, and of those stored since. */
  stored: number;
}

/** A content that is counted and hashed while it is read. */
class MeasuredContent implements AsyncIterable<Uint8Array> {
  bytes = 0;
  /** What ended it early. */
  failure: unknown;
  readonly #hash = createHash('sha256');

  constructor(
    private readonly content: AsyncIterable<Uint8Array>,
    private readonly maxSize: number,
    /** Called with the length of each part; what it throws ends the content. */
    private readonly onBytes: (bytes: number) => void,
  ) {}

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for await (const part of this.content) {
        this.bytes += part.length;
        this.onBytes(part.length);
        if (this.bytes > this.maxSize) throw tooLarge(this.maxSize);
        this.#hash.update(part);
        yield part;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  get digest(): string {
    return this.#hash.digest('hex');
  }
}

function tooLarge(maxSize: number): GatewayError {
  return new GatewayError('request_too_large', `The file is larger than ${maxSize} bytes (files.max_size).`);
}

function keyOf(id: string): string {
  return PREFIX + id;
}

function rowOf(
  id: string,
  { tenant, keyId, member }: Owner,
  { purpose, filename, expiresAt }: NewFile,
  { bytes, digest }: MeasuredContent,
  now: number,
): FileRow {
  return {
    ...{ id, tenant, key_id: keyId, member, purpose, filename: shownName(filename), bytes, digest, own: 0 },
    ...{ created_at: now, expires_at: expiresAt },
  };
}

/** The last part of a path, without characters that terminals and headers act on. It is shown only. */
function shownName(filename: string): string {
  const name = filename.split(/[/\\]/).at(-1) ?? '';
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').slice(0, MAX_FILENAME) || 'file';
}

function isExpired({ expires_at }: FileRow, now: number): boolean {
  return expires_at !== null && expires_at <= now;
}

/** @param own files that were counted already */
function assertQuota(use: { count: number; bytes: number }, own: number, bounds: FileBounds): void {
  const { maxCount } = bounds;
  if (use.count - own >= maxCount) {
    throw new GatewayError(
      'quota_exceeded',
      `The tenant has ${maxCount} files, which is the maximum (files.max_count). Delete files, or let them expire.`,
    );
  }
  assertSize(use.bytes, bounds);
}

/** @throws GatewayError `quota_exceeded` */
function assertSize(bytes: number, { maxTotal }: FileBounds): void {
  if (bytes > maxTotal) {
    throw new GatewayError(
      'quota_exceeded',
      `The files of the tenant would be larger than ${maxTotal} bytes in total (files.max_total). Delete files, or let them expire.`,
    );
  }
}

function notFound(id: string): GatewayError {
  return new GatewayError('not_found', `There is no such file: ${id.slice(0, 200)}`, { param: 'id' });
}
