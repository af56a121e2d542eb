import type { FileRow } from '../storage/sql/batch-tables.ts';

export const UPLOAD_PURPOSES = ['batch', 'user_data', 'assistants', 'fine-tune', 'vision', 'evals'] as const;
export type UploadPurpose = (typeof UPLOAD_PURPOSES)[number];
/** Of files that Weir writes. */
export const OUTPUT_PURPOSE = 'batch_output';

/** Of the input of Anthropic's message batches, which is no file for clients. */
export const MESSAGE_BATCH_PURPOSE = 'message_batch';

/** Who creates a file or a batch. */
export interface Owner {
  readonly tenant: string;
  readonly keyId: string;
  readonly member: string | null;
}

/** A file of a tenant. Times are Unix milliseconds. */
export interface StoredFile {
  readonly id: string;
  readonly tenant: string;
  readonly keyId: string;
  readonly member: string | null;
  readonly purpose: string;
  readonly filename: string;
  readonly bytes: number;
  /** SHA-256, as lower-case hexadecimal digits. */
  readonly digest: string;
  readonly createdAt: number;
  /** Null for a file that does not expire. */
  readonly expiresAt: number | null;
}

/** @returns the file of a row */
export function fileOf(row: FileRow): StoredFile {
  const { id, tenant, key_id, member, purpose, filename, bytes, digest, created_at, expires_at } = row;
  return {
    ...{ id, tenant, keyId: key_id, member, purpose, filename, bytes, digest },
    ...{ createdAt: created_at, expiresAt: expires_at },
  };
}
