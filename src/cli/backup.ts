import { resolve } from 'node:path';
import { journalFolder } from '../app/database-servers.ts';
import { readJournal } from '../metering/journal-files.ts';
import { createBackup } from '../storage/backup/create-backup.ts';
import type { BackupManifest } from '../storage/backup/manifest.ts';
import { BackupRepository } from '../storage/backup/repository/repository.ts';
import {
  type BackupContext,
  type BackupFlags,
  count,
  serversOf,
  sizeText,
  withCommandErrors,
} from './backup-context.ts';
import { isPlainBackup, openStorage, secretFrom } from './backup-location.ts';
import { retentionFrom } from './backup-retention.ts';
import { installationFiles } from './installation-files.ts';
import { CommandError } from './output.ts';
import { progressLine } from './progress.ts';
import { durationFrom } from './values.ts';

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
