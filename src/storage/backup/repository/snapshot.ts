import { z } from 'zod';
import { savedSecret } from '../manifest.ts';
import { wrappedKey } from './keys.ts';

/** Version of the layout of a repository. */
export const REPOSITORY_FORMAT = 1;

export const repositoryHeader = z.strictObject({
  weir_backups: z.literal(REPOSITORY_FORMAT),
  created_at: z.iso.datetime(),
  key: wrappedKey.nullable().describe('Null for a repository that is not encrypted.'),
});
export type RepositoryHeader = z.infer<typeof repositoryHeader>;

const count = z.int().nonnegative();
const chunkName = z.string().regex(/^[0-9a-f]{64}$/);

/** Rows of a table that never change: a later backup reuses the chunk where it finds the same ones. */
const run = z.strictObject({
  table: z.string(),
  /** Key of the first and of the last row. */
  first: z.array(z.string().nullable()),
  last: z.array(z.string().nullable()),
  rows: count.positive(),
  /** SHA-256 of what identifies the rows. */
  hash: chunkName,
});

const chunk = z.strictObject({
  name: chunkName,
  bytes: count.describe('Of the content, before it is compressed and encrypted.'),
  run: run.optional(),
});
export type Chunk = z.infer<typeof chunk>;
export type ChunkRun = z.infer<typeof run>;

export const chunkList = z.array(chunk);

/** Content in chunks. A long list of chunks is a chunk itself. */
const content = z.union([
  z.strictObject({ chunks: chunkList }),
  z.strictObject({ index: chunk, bytes: count }),
]);
export type Content = z.infer<typeof content>;

const savedDatabase = z.strictObject({
  tenant: z.string().nullable().describe('Null for the control database.'),
  name: z.string(),
  server: z.string(),
  backend: z.enum(['sqlite', 'postgres']),
  migrations: z.array(z.string()),
  fingerprint: z.string().optional().describe('Equal for an unchanged database.'),
  content,
});
export type SnapshotDatabase = z.infer<typeof savedDatabase>;

const savedFile = z.strictObject({
  name: z
    .string()
    .regex(/^(?!\.{1,2}(?:\/|$))[^/\\\0]+(?:\/(?!\.{1,2}(?:\/|$))[^/\\\0]+)*$/)
    .describe('A relative path with slashes.'),
  content,
});
export type SnapshotFile = z.infer<typeof savedFile>;

export const snapshot = z.strictObject({
  name: z.string(),
  parent: z.string().nullable().describe('The backup from which unchanged parts were taken; null for none.'),
  weir: z.string(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime(),
  secret: savedSecret,
  databases: z.array(savedDatabase).min(1),
  journal: z.array(savedFile),
  files: z.array(savedFile),
  deleted_tenants: z.array(z.string()),
  written: z
    .strictObject({ chunks: count, bytes: count })
    .describe('What this backup added to the repository.'),
});
export type Snapshot = z.infer<typeof snapshot>;

/** @returns bytes of content, before it was compressed */
export function contentBytes(saved: Content): number {
  return 'index' in saved ? saved.bytes : saved.chunks.reduce((sum, { bytes }) => sum + bytes, 0);
}

const NAME = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z-[0-9a-f]{8}$/;

/** @returns a name that sorts by time */
export function snapshotName(at: Date, random: string): string {
  return `${at.toISOString().replace(/[-:.]/g, '')}-${random}`;
}

/** @returns the time of a backup in Unix milliseconds; undefined for another text */
export function snapshotTime(name: string): number | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [year = 0, month = 1, ...rest] = match.slice(1).map(Number);
  const at = Date.UTC(year, month - 1, ...rest);
  return Number.isNaN(at) ? undefined : at;
}
