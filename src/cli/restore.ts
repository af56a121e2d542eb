import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { lockDataFolders } from '../app/data-folder.ts';
import { journalFolder } from '../app/database-servers.ts';
import { RestoredJournal } from '../metering/journal-files.ts';
import { BackupError } from '../storage/backup/manifest.ts';
import {
  planRestore,
  type RestoreOptions,
  type RestorePlan,
  restoreBackup,
} from '../storage/backup/restore-backup.ts';
import type { BackupSource, RestorableBackup } from '../storage/backup/source.ts';
import { count, serversOf, sizeText, withCommandErrors } from './backup-context.ts';
import { type LocationFlags, openSource } from './backup-location.ts';
import type { StoreCommand } from './output.ts';
import { progressLine } from './progress.ts';

export interface RestoreFlags extends LocationFlags {
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly ignoreSecret?: boolean;
  readonly json?: boolean;
  /** A time, or the name of a backup. */
  readonly at?: string;
  /** Folder for the files of the installation. */
  readonly files?: string;
}

/** Restores a backup, or with `dryRun` only checks that it can be restored. */
export async function restoreCommand(
  { config, env, output }: StoreCommand,
  location: string,
  flags: RestoreFlags,
): Promise<void> {
  const { force = false, dryRun = false, ignoreSecret = false, json = false } = flags;
  const began = performance.now();
  const progress = progressLine(output);
  const { plan, left, source } = await withCommandErrors(async () => {
    const opened = await openSource(location, env, flags, flags.at);
    const options: RestoreOptions = {
      ...{ source: opened, acceptOtherSecret: ignoreSecret },
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
    const planned = await planRestore(options);
    if (flags.files !== undefined) assertFree(planned.manifest, flags.files, force || dryRun);
    if (dryRun) return { plan: planned, left: [], source: opened };
    // No gateway starts on the folders meanwhile.
    const lock = await lockDataFolders(config, new Date().toISOString());
    try {
      if (flags.files !== undefined) await writeFiles(opened, flags.files);
      return { plan: planned, left: await restoreBackup(options, planned), source: opened };
    } finally {
      lock.release();
    }
  }).finally(() => progress.clear());
  const seconds = (performance.now() - began) / 1_000;
  const leftover = left.map(({ database }) => database);
  if (json) {
    const report = { folder: source.location, restored: !dryRun, replaces: plan.replaces, leftover };
    output.out(JSON.stringify({ ...report, seconds: round(seconds), ...summaryOf(plan.manifest) }));
    return;
  }
  if (leftover.length > 0) {
    output.err(`These databases of replaced tenants could not be deleted: ${leftover.join(', ')}.`);
  }
  for (const line of linesOf(plan, flags, seconds)) output.out(line);
}

function linesOf(
  { manifest, replaced, replaces }: RestorePlan,
  flags: RestoreFlags,
  seconds: number,
): string[] {
  const { tenants, files } = summaryOf(manifest);
  const what = `${count(tenants, 'tenant')} of the backup of ${manifest.created_at}`;
  const into = flags.files === undefined ? '' : ` and ${count(files, 'file')} into ${resolve(flags.files)}`;
  if (!flags.dryRun) return [`Restored ${what}${into} in ${seconds.toFixed(1)} s. Start the gateway.`];
  return [
    `The backup is complete. Would restore ${what}${into}. Nothing was changed.`,
    ...(replaces
      ? [`Would delete the existing data of ${count(replaced.length, 'tenant')}; this needs --force.`]
      : []),
  ];
}

function summaryOf(manifest: RestorableBackup) {
  const { created_at, weir, secret, databases, journalFiles, installationFiles, deleted_tenants } = manifest;
  return {
    ...{ created_at, weir, secret: secret.source },
    tenants: databases.length - 1,
    deleted_tenants,
    journal_files: journalFiles,
    files: installationFiles.length,
    bytes: manifest.bytes,
  };
}

function assertFree({ installationFiles }: RestorableBackup, folder: string, force: boolean): void {
  if (force) return;
  const taken = installationFiles.find((name) => existsSync(join(folder, name)));
  if (taken === undefined) return;
  throw new BackupError(
    `${join(resolve(folder), taken)} exists already. Choose an empty folder for --files, or add --force to replace it.`,
  );
}

async function writeFiles(source: BackupSource, folder: string): Promise<void> {
  for await (const { name, content } of source.files()) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600, flush: true });
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
