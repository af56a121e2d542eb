import type { Command } from 'commander';
import type { AuditOptions, ExportOptions, VerifyOptions } from '../audit.ts';
import type { CommandTools } from './group.ts';

/** `weir audit`, `weir audit verify` and `weir audit export` */
export function addAuditCommands(program: Command, { stores }: CommandTools): void {
  const audit = program.command('audit').description('print, verify and export audit trails');
  audit
    .command('list', { isDefault: true })
    .description('print the audit trail, newest first (default)')
    .option('--tenant <id>', 'the trail of a tenant (default: that of the platform)')
    .option('--actor <id>', 'only of this actor')
    .option('--action <action>', 'only this action, such as key.create')
    .option('--subject <subject>', 'only about this subject, such as key:key_...')
    .option('--from <time>', 'inclusive, such as 2026-11-01T00:00:00Z')
    .option('--to <time>', 'exclusive')
    .option('--limit <number>', 'the number of entries', '50')
    .option('--json', 'print JSON lines')
    .action(async (flags: Omit<AuditOptions, 'json'> & { readonly json?: boolean }) => {
      const { auditCommand } = await import('../audit.ts');
      await auditCommand(await stores(), { ...flags, json: flags.json === true });
    });
  audit
    .command('verify')
    .description('verify that no entry was changed, removed or moved; exit code 1 if one was')
    .option('--tenant <id>', 'the trail of a tenant (default: all trails)')
    .option('--file <path>', 'an export in JSON Lines, instead of the databases')
    .option(
      '--anchor <head>',
      'a head from the log or a metric, as <sequence>:<hash>; with --tenant or --file',
    )
    .option('--json', 'print as JSON')
    .action(async (flags: Omit<VerifyOptions, 'json'> & { readonly json?: boolean }) => {
      const { verifyFileCommand, verifyCommand } = await import('../audit.ts');
      const options = { ...flags, json: flags.json === true };
      if (flags.file === undefined) await verifyCommand(await stores(), options);
      else verifyFileCommand((await stores()).output, options);
    });
  audit
    .command('export')
    .description('print a whole audit trail, oldest first')
    .option('--tenant <id>', 'the trail of a tenant (default: that of the platform)')
    .option('--format <format>', 'jsonl or csv', 'jsonl')
    .action(async (flags: ExportOptions) => {
      const { exportCommand } = await import('../audit.ts');
      await exportCommand(await stores(), flags);
    });
}
