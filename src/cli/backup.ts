import { resolve } from 'node:path';
import { DataFolderInUseError } from '../app/data-folder.ts';
import { databaseServers, journalFolder } from '../app/database-servers.ts';
import type { Config } from '../config/schema.ts';
import { readJournal } from '../metering/journal-files.ts';
import { ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import { createBackup } from '../storage/backup/create-backup.ts';
import { BackupError, type BackupManifest } from '../storage/backup/manifest.ts';
import { BackupRepository } from '../storage/backup/repository/repository.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { isPlainBackup, type LocationFlags, openStorage, secretFrom } from './backup-location.ts';
import { type RetentionFlags, retentionFrom } from './backup-retention.ts';
import { installationFiles } from './installation-files.ts';
import { CommandError, type Output, type StoreCommand } from './output.ts';
import { progressLine } from './progress.ts';
import { durationFrom } from './values.ts';

/** A command on the databases, with the file of the configuration. */
export interface BackupContext extends StoreCommand {
  /** Null without one. */
  readonly configFile: string | null;
  readonly version: string;
}

export interface BackupFlags extends LocationFlags, RetentionFlags {
  readonly force?: boolean;
  readonly json?: boolean;
  readonly incremental?: boolean;
  readonly full?: boolean;
  /** A duration. */
  readonly every?: string;
  readonly include: readonly string[];
  /** False for `--no-files`. */
  readonly files: boolean;
}

const MIN_INTERVAL_MS = 10_000;

/** Backs up all databases, the pending usage and files of the installation, while the gateway may run. */
export async function backupCommand(
  context: BackupContext,
  location: string,
  flags: BackupFlags,
): Promise<void> {
  await withCommandErrors(async () => {
    const { config, configFile, env } = context;
    const files = flags.files ? installationFiles(config, configFile, flags.include) : [];
    const everyMs = flags.every === undefined ? undefined : durationFrom(flags.every, '--every');
    if (everyMs !== undefined && everyMs < MIN_INTERVAL_MS) {
      throw new CommandError('--every must be at least 10s.');
    }
    const retention = retentionFrom(flags);
    const isRepository =
      /^s3:/.test(location) ||
      flags.incremental === true ||
      flags.full === true ||
      everyMs !== undefined ||
      retention !== undefined ||
      secretFrom(env, flags) !== undefined ||
      (!isPlainBackup(location) && (await BackupRepository.existsIn(openStorage(location, env, flags))));
    if (!isRepository) return backUpToFolder(context, location, flags, files);
    if (isPlainBackup(location)) {
      throw new CommandError(
        `${resolve(location)} contains one plain backup. Choose an empty folder for incremental or encrypted ones.`,
      );
    }
    const { backUpToRepository } = await import('./backup-repository.ts');
    await backUpToRepository(context, location, { ...flags, everyMs, retention }, files);
  });
}

async function backUpToFolder(
  { config, env, output, version }: BackupContext,
  folder: string,
  { force = false, json = false }: BackupFlags,
  files: ReturnType<typeof installationFiles>,
): Promise<void> {
  const progress = progressLine(output);
  const manifest = await createBackup({
    ...{ folder, force, version, files },
    servers: serversOf(config, output),
    journal: () => readJournal(journalFolder(config)),
    secret: env.WEIR_SECRET || undefined,
    now: () => new Date(),
    onProgress: ({ done, total, bytes }) =>
      progress.show(`${done} of ${total} databases, ${sizeText(bytes)}`),
  }).finally(() => progress.clear());
  const summary = summaryOf(manifest);
  if (json) {
    output.out(JSON.stringify({ folder: resolve(folder), ...summary }));
    return;
  }
  const { tenants, bytes } = summary;
  output.out(`Backed up ${count(tenants, 'tenant')} (${sizeText(bytes)}) to ${resolve(folder)}.`);
  if (manifest.secret.source === 'environment') {
    output.err('Not in the backup: WEIR_SECRET, without which its keys are invalid. Keep it elsewhere.');
  } else {
    output.err(
      'The backup contains the secret that protects its keys, and is not encrypted: store it where only operators can read it.',
    );
  }
}

function summaryOf({
  created_at,
  weir,
  secret,
  databases,
  journal,
  files = [],
  deleted_tenants,
}: BackupManifest) {
  return {
    ...{ created_at, weir, secret: secret.source },
    tenants: databases.length - 1,
    deleted_tenants,
    journal_files: journal.length,
    files: files.length,
    bytes: [...databases, ...journal, ...files].reduce((sum, file) => sum + file.bytes, 0),
  };
}

export function serversOf(config: Config, output: Output): Map<string, DatabaseServer> {
  return databaseServers(config, (error) =>
    output.err(`The database server closed an idle connection: ${String(error)}`),
  );
}

export async function withCommandErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof BackupError ||
      error instanceof DataFolderInUseError ||
      error instanceof ObjectStorageError
    ) {
      throw new CommandError(error.message, { cause: error });
    }
    throw error;
  }
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
