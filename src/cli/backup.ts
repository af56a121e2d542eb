import { resolve } from 'node:path';
import { DataFolderInUseError, lockDataFolders } from '../app/data-folder.ts';
import { databaseServers, journalFolder } from '../app/database-servers.ts';
import type { Config } from '../config/schema.ts';
import { RestoredJournal, readJournal } from '../metering/journal-files.ts';
import { createBackup } from '../storage/backup/create-backup.ts';
import { BackupError, type BackupManifest } from '../storage/backup/manifest.ts';
import { planRestore, type RestoreOptions, restoreBackup } from '../storage/backup/restore-backup.ts';
import type { DatabaseServer } from '../storage/sql/database-server.ts';
import { CommandError, type Output, type StoreCommand } from './output.ts';
import { progressLine } from './progress.ts';

export interface BackupCommandOptions {
  readonly force: boolean;
  readonly json: boolean;
  readonly version: string;
}

export interface RestoreCommandOptions {
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly ignoreSecret: boolean;
  readonly json: boolean;
}

/** Backs up all databases and the pending usage to a folder, while the gateway may run. */
export async function backupCommand(
  { config, env, output }: StoreCommand,
  folder: string,
  { force, json, version }: BackupCommandOptions,
): Promise<void> {
  const progress = progressLine(output);
  const manifest = await withCommandErrors(() =>
    createBackup({
      ...{ folder, force, version },
      servers: serversOf(config, output),
      journal: () => readJournal(journalFolder(config)),
      secret: env.WEIR_SECRET || undefined,
      now: () => new Date(),
      onProgress: ({ done, total, bytes }) =>
        progress.show(`${done} of ${total} databases, ${sizeText(bytes)}`),
    }),
  ).finally(() => progress.clear());
  const summary = summaryOf(manifest);
  if (json) {
    output.out(JSON.stringify({ folder: resolve(folder), ...summary }));
    return;
  }
  const { tenants, bytes } = summary;
  output.out(`Backed up ${count(tenants, 'tenant')} (${sizeText(bytes)}) to ${resolve(folder)}.`);
  output.err(
    manifest.secret.source === 'environment'
      ? 'Not in the backup: WEIR_SECRET, without which its keys are invalid, and the configuration. Keep both elsewhere.'
      : 'The backup contains the secret that protects its keys: store it where only operators can read it. The configuration is not in it.',
  );
}

/** Restores a backup, or with `dryRun` only checks that it can be restored. */
export async function restoreCommand(
  { config, env, output }: StoreCommand,
  folder: string,
  { force, dryRun, ignoreSecret, json }: RestoreCommandOptions,
): Promise<void> {
  const progress = progressLine(output);
  const options: RestoreOptions = {
    ...{ folder, acceptOtherSecret: ignoreSecret },
    // A dry run reports what would be replaced instead of refusing to.
    force: force || dryRun,
    servers: serversOf(config, output),
    secret: env.WEIR_SECRET || undefined,
    now: () => new Date(),
    onProgress: (step, { done, total, bytes }) =>
      progress.show(
        step === 'check'
          ? `checked ${done} of ${total} files, ${sizeText(bytes)}`
          : `restored ${done} of ${total} databases, ${sizeText(bytes)}`,
      ),
    journal: new RestoredJournal(journalFolder(config)),
  };
  const { plan, left } = await withCommandErrors(async () => {
    const planned = await planRestore(options);
    if (dryRun) return { plan: planned, left: [] };
    // No gateway starts on the folders meanwhile.
    const lock = await lockDataFolders(config, new Date().toISOString());
    try {
      return { plan: planned, left: await restoreBackup(options, planned) };
    } finally {
      lock.release();
    }
  }).finally(() => progress.clear());
  const { manifest, replaced, replaces } = plan;
  const leftover = left.map(({ database }) => database);
  if (json) {
    const report = { folder: resolve(folder), restored: !dryRun, replaces, leftover, ...summaryOf(manifest) };
    output.out(JSON.stringify(report));
    return;
  }
  const what = `${count(summaryOf(manifest).tenants, 'tenant')} of the backup of ${manifest.created_at}`;
  if (dryRun) {
    output.out(`The backup is complete. Would restore ${what}. Nothing was changed.`);
    if (replaces) {
      output.out(
        `Would delete the existing data of ${count(replaced.length, 'tenant')}; this needs --force.`,
      );
    }
    return;
  }
  if (leftover.length > 0) {
    output.err(`These databases of replaced tenants could not be deleted: ${leftover.join(', ')}.`);
  }
  output.out(`Restored ${what}. Start the gateway.`);
}

function serversOf(config: Config, output: Output): Map<string, DatabaseServer> {
  return databaseServers(config, (error) =>
    output.err(`The database server closed an idle connection: ${String(error)}`),
  );
}

async function withCommandErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BackupError || error instanceof DataFolderInUseError)
      throw new CommandError(error.message);
    throw error;
  }
}

function summaryOf({ created_at, weir, secret, databases, journal, deleted_tenants }: BackupManifest) {
  return {
    ...{ created_at, weir, secret: secret.source },
    tenants: databases.length - 1,
    deleted_tenants,
    journal_files: journal.length,
    bytes: [...databases, ...journal].reduce((sum, file) => sum + file.bytes, 0),
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
