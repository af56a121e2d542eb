import type { Command } from 'commander';
import type { BackupContext, BackupFlags } from '../backup-context.ts';
import type { ListFlags, PruneFlags, VerifyFlags } from '../backup-repository.ts';
import type { RestoreFlags } from '../restore.ts';
import { repeated } from './group.ts';

/** `weir backup`, its subcommands, and `weir restore` */
export function addBackupCommands(program: Command, context: () => Promise<BackupContext>): void {
  const backup = program.command('backup');
  backup
    .description(
      'back up databases, pending usage, configuration and certificates, also while the gateway runs',
    )
    .argument('<location>', 'a folder, or s3://bucket/prefix')
    .option('--force', 'replace an earlier plain backup in the folder')
    .option('--incremental', 'keep many backups in the location; each stores only what is new')
    .option('--every <duration>', 'make one after the other until SIGTERM, such as 5m')
    .option('--full', 'read everything again, also what the previous backup has')
    .addOption(repeated('--include <path>', 'a further file or folder; may be repeated'))
    .option('--no-files', 'only databases and usage, without configuration and certificates');
  withRetention(withLocation(backup))
    .option('--json', 'print as JSON')
    .action(async (location: string, flags: BackupFlags) => {
      const { backupCommand } = await import('../backup.ts');
      await backupCommand(await context(), location, flags);
    });
  // `backup` parses its own options wherever they are, such as --json, so that subcommands read them from it.
  withLocation(
    backup
      .command('list')
      .description('list the backups of a location, oldest first')
      .argument('<location>', 'a folder, or s3://bucket/prefix'),
  )
    .option('--json', 'print JSON lines')
    .action(async (location: string, _: unknown, list: Command) => {
      const { listCommand } = await import('../backup-repository.ts');
      await listCommand(await context(), location, list.optsWithGlobals<ListFlags>());
    });
  withLocation(
    backup
      .command('verify')
      .description('read and check all of a backup; exit code 1 if it is incomplete or altered')
      .argument('<location>', 'a folder, or s3://bucket/prefix'),
  )
    .option('--at <time>', 'the latest backup at a time, or its name (default: the latest)')
    .option('--all', 'every backup of the location')
    .option('--max-age <duration>', 'exit code 1 also if the latest one is older, such as 10m')
    .option('--json', 'print as JSON')
    .action(async (location: string, _: unknown, verify: Command) => {
      const { verifyCommand } = await import('../backup-repository.ts');
      await verifyCommand(await context(), location, verify.optsWithGlobals<VerifyFlags>());
    });
  withRetention(
    withLocation(
      backup
        .command('prune')
        .description('delete the backups that no --keep option keeps; the latest is always kept')
        .argument('<location>', 'a folder, or s3://bucket/prefix'),
    ),
  )
    .option('--dry-run', 'show what would be deleted')
    .option('--json', 'print as JSON')
    .action(async (location: string, _: unknown, prune: Command) => {
      const { pruneCommand } = await import('../backup-repository.ts');
      await pruneCommand(await context(), location, prune.optsWithGlobals<PruneFlags>());
    });

  withLocation(
    program
      .command('restore')
      .description('restore a backup; the gateway must be stopped')
      .argument('<location>', 'a folder, or s3://bucket/prefix'),
  )
    .option('--at <time>', 'the latest backup at a time, or its name (default: the latest)')
    .option('--dry-run', 'check the backup, and show what would be restored and replaced')
    .option('--force', 'delete the existing data')
    .option('--files <folder>', 'also write configuration, certificates and other files into a folder')
    .option('--ignore-secret', 'restore although WEIR_SECRET is not the one of the backup')
    .option('--json', 'print as JSON')
    .action(async (location: string, flags: RestoreFlags) => {
      const { restoreCommand } = await import('../restore.ts');
      await restoreCommand(await context(), location, flags);
    });
}

function withLocation(command: Command): Command {
  return command
    .option('--passphrase-file <file>', 'encrypts backups (default: WEIR_BACKUP_PASSPHRASE)')
    .option('--key-file <file>', '32 random bytes in hexadecimal instead (default: WEIR_BACKUP_KEY_FILE)')
    .option('--endpoint <url>', 'of an S3-compatible store (default: AWS_ENDPOINT_URL_S3, then AWS)')
    .option('--region <region>', 'of the bucket (default: AWS_REGION)');
}

function withRetention(command: Command): Command {
  return command
    .option('--keep-last <number>', 'keep the latest ones')
    .option('--keep-within <duration>', 'keep all of this time, such as 2d')
    .option('--keep-hourly <number>', 'keep the latest of each hour, for this many hours')
    .option('--keep-daily <number>', 'keep the latest of each day')
    .option('--keep-weekly <number>', 'keep the latest of each week')
    .option('--keep-monthly <number>', 'keep the latest of each month');
}
