import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import { hmacSha256Hex, sha256Hex } from '../../platform/hash.ts';

/** Newest version of the layout of a backup: 2 added files of the installation. */
export const BACKUP_FORMAT = 2;
export const DATABASES_FOLDER = 'databases';
export const JOURNAL_FOLDER = 'usage-journal';
export const FILES_FOLDER = 'files';

export const MANIFEST = 'manifest.json';
/** In the format of `sha256sum`, so that `sha256sum --check` reads it. */
const MANIFEST_HASH = 'manifest.json.sha256';
const MAX_REPORTED = 20;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();

const savedFile = z.strictObject({
  file: z
    .string()
    .regex(
      /^(?:(?:databases|usage-journal)\/[a-z0-9_][a-z0-9_.-]*|files(?:\/(?!\.{1,2}(?:\/|$))[^/\\\0]+)+)$/,
    )
    .describe('Path within the backup.'),
  bytes: count,
  sha256: hash,
});
export type SavedFile = z.infer<typeof savedFile>;

const savedDatabase = savedFile.extend({
  tenant: z.string().nullable().describe('Null for the control database.'),
  name: z.string().describe('Name of the database where it was saved.'),
  server: z.string().describe('Id in `storage.servers`; empty for `storage.database_url`.'),
  backend: z.enum(['sqlite', 'postgres']),
  migrations: z.array(z.string()),
});
export type SavedDatabase = z.infer<typeof savedDatabase>;

export const savedSecret = z.strictObject({
  source: z
    .enum(['database', 'environment'])
    .describe('`database`: the backup contains it. `environment`: it is WEIR_SECRET, and not in the backup.'),
  check: hash.describe('Tells whether a secret is the same, without containing it.'),
});
export type SavedSecret = z.infer<typeof savedSecret>;

const manifest = z.strictObject({
  format: z.union([z.literal(1), z.literal(BACKUP_FORMAT)]),
  weir: z.string().describe('Version that made the backup.'),
  created_at: z.iso.datetime(),
  secret: savedSecret,
  databases: z.array(savedDatabase).min(1),
  journal: z.array(savedFile),
  files: z
    .array(savedFile)
    .optional()
    .describe('Of the installation: configuration, certificates and others.'),
  deleted_tenants: z
    .array(z.string())
    .describe('Deleted while the backup was made; their data is not in it.'),
});
export type BackupManifest = z.infer<typeof manifest>;

/** A backup cannot be made or restored. The message says why and what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** @returns a value by which two secrets can be compared */
export function secretCheck(secret: string): string {
  return hmacSha256Hex(secret, 'weir backup');
}

/** @returns size and SHA-256 of a file of a backup */
export async function describeFile(folder: string, file: string): Promise<SavedFile> {
  const path = join(folder, file);
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk);
  return { file, bytes: statSync(path).size, sha256: digest.digest('hex') };
}

/** Writes the manifest and its hash, which make the folder a backup. */
export function writeManifest(folder: string, contents: BackupManifest): void {
  const text = `${JSON.stringify(manifest.parse(contents), null, 2)}\n`;
  writeFileSync(join(folder, MANIFEST), text, { mode: 0o600, flush: true });
  writeFileSync(join(folder, MANIFEST_HASH), `${sha256Hex(text)}  ${MANIFEST}\n`, {
    mode: 0o600,
    flush: true,
  });
}

/** Whether a folder contains a backup, complete or not. */
export function isBackup(folder: string): boolean {
  return existsSync(join(folder, MANIFEST));
}

/**
 * Reads a backup's manifest and checks it and every file that it lists.
 * @param onFile called after each checked file with the number of all
 * @throws BackupError that names the files that are missing or changed
 */
export async function readBackup(
  folder: string,
  onFile: (file: SavedFile, total: number) => void = () => undefined,
): Promise<BackupManifest> {
  const contents = readManifest(folder);
  const faults: string[] = [];
  const files = [...contents.databases, ...contents.journal, ...(contents.files ?? [])];
  for (const saved of files) {
    const fault = await faultOf(folder, saved);
    if (fault !== undefined) faults.push(`${saved.file}: ${fault}`);
    onFile(saved, files.length);
  }
  if (faults.length === 0) return contents;
  const more = faults.length - MAX_REPORTED;
  throw new BackupError(
    [
      `The backup in ${folder} is incomplete or altered; nothing was restored:`,
      ...faults.slice(0, MAX_REPORTED).map((fault) => `  ${fault}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ].join('\n'),
  );
}

function readManifest(folder: string): BackupManifest {
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) {
    throw new BackupError(`${folder} is not a complete backup: ${MANIFEST} is missing.`);
  }
  const text = readFileSync(path, 'utf8');
  const hashPath = join(folder, MANIFEST_HASH);
  if (!existsSync(hashPath)) {
    throw new BackupError(`${folder} is not a complete backup: ${MANIFEST_HASH} is missing.`);
  }
  if (readFileSync(hashPath, 'utf8').split(' ')[0] !== sha256Hex(text)) {
    throw new BackupError(`The backup in ${folder} is altered: ${MANIFEST} does not match ${MANIFEST_HASH}.`);
  }
  const value = parseJsonText(text);
  const format = z.object({ format: z.int() }).safeParse(value).data?.format;
  if (format !== undefined && format > BACKUP_FORMAT) {
    throw new BackupError(
      `The backup in ${folder} has format ${format}; this version of Weir restores up to ${BACKUP_FORMAT}. Use a newer version.`,
    );
  }
  const { data, error } = manifest.safeParse(value);
  if (data) return data;
  throw new BackupError(`${join(folder, MANIFEST)} is not a manifest:\n${z.prettifyError(error)}`);
}

/** @returns why a file is not what the manifest says; undefined when it is */
async function faultOf(folder: string, saved: SavedFile): Promise<string | undefined> {
  const path = join(folder, saved.file);
  if (!existsSync(path)) return 'missing';
  const { size } = statSync(path);
  if (size !== saved.bytes) return `${size} bytes instead of ${saved.bytes}`;
  return (await describeFile(folder, saved.file)).sha256 === saved.sha256 ? undefined : 'SHA-256 differs';
}
