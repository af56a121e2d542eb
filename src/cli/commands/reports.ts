import type { Command } from 'commander';
import type { UsageOptions } from '../reports.ts';
import { type CommandTools, withTenant } from './group.ts';

/** `weir usage`, `weir limits` and `weir models` */
export function addReportCommands(program: Command, { stores }: CommandTools): void {
  const usage = program.command('usage').description('print usage and cost, and archive usage events');
  addArchiveCommands(usage, { stores });
  withTenant(
    usage.command('report', { isDefault: true }).description('print usage and cost (default)'),
    'the usage',
  )
    .option('--all', 'of all tenants')
    .option('--from <time>', 'a day, month or time; inclusive (default: the start of this month)')
    .option('--to <time>', 'a day, month or time; exclusive (default: now)')
    .option('--interval <interval>', 'hour, day, month or none', 'none')
    .option('--group-by <dimensions>', 'a list of key, user, model, provider, tag, client')
    .option('--time-zone <zone>', "the zone of days and months (default: the tenant's)")
    .option('--csv', 'print as CSV')
    .option('--json', 'print as JSON')
    .action(
      async (
        flags: Omit<UsageOptions, 'all' | 'csv' | 'json'> & {
          readonly all?: boolean;
          readonly csv?: boolean;
          readonly json?: boolean;
        },
      ) => {
        const { usageCommand } = await import('../reports.ts');
        const { all = false, csv = false, json = false } = flags;
        await usageCommand(await stores(), { ...flags, all, csv, json });
      },
    );
  addScheduledReportCommands(program, { stores });
  withTenant(
    program.command('limits').description('list limits with the recorded use of this day or month'),
    'the limits',
  )
    .option('--json', 'print as JSON')
    .action(async ({ tenant, json }: { readonly tenant: string; readonly json?: boolean }) => {
      const { limitsCommand } = await import('../reports.ts');
      await limitsCommand(await stores(), tenant, json === true);
    });
  const models = program.command('models').description('list models, and install the built-in embedder');
  models
    .command('list', { isDefault: true })
    .description('list the models of the configuration with targets and prices (default)')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { modelsCommand } = await import('../reports.ts');
      await modelsCommand(await stores(), json === true);
    });
  models
    .command('pull <what>')
    .description(
      'install the built-in embedder of the semantic cache: `weir models pull embedder` (16 MB, with pip)',
    )
    .option('--from <file or URL>', 'a wheel of its package, instead of the package registry')
    .action(async (what: string, { from }: { readonly from?: string }) => {
      const { CommandError } = await import('../output.ts');
      if (what !== 'embedder')
        throw new CommandError(`There is no "${what}" to pull. Run \`weir models pull embedder\`.`);
      const { pullEmbedderCommand } = await import('../models-pull.ts');
      await pullEmbedderCommand(await stores(), { from });
    });
}

/** `weir usage archive` and those that read archives. */
function addArchiveCommands(usage: Command, { stores }: Pick<CommandTools, 'stores'>): void {
  usage
    .command('archive')
    .description('move usage events of old months into files, as the gateway does in the background')
    .option('--tenant <id>', 'only of this tenant (default: every tenant)')
    .option('--dry-run', 'list what would be moved')
    .option('--json', 'print as JSON')
    .action(
      async (flags: { readonly tenant?: string; readonly dryRun?: boolean; readonly json?: boolean }) => {
        const { archiveCommand } = await import('../usage-archive.ts');
        const { tenant, dryRun = false, json = false } = flags;
        await archiveCommand(await stores(), { tenant, dryRun, json });
      },
    );
  withTenant(usage.command('archives').description('list archives of usage events'), 'the archives')
    .option('--json', 'print as JSON')
    .action(async ({ tenant, json }: { readonly tenant: string; readonly json?: boolean }) => {
      const { archivesCommand } = await import('../usage-archive.ts');
      await archivesCommand(await stores(), tenant, json === true);
    });
  withTenant(
    usage
      .command('restore <archive>')
      .description('put the events of an archive back into the database for some days, for searches'),
    'the archive',
  )
    .option('--days <days>', 'for how many days', '7')
    .action(async (archive: string, { tenant, days }: { readonly tenant: string; readonly days: string }) => {
      const { restoreCommand } = await import('../usage-archive.ts');
      await restoreCommand(await stores(), tenant, archive, days);
    });
  withTenant(
    usage
      .command('archived')
      .description('print archived events as lines of JSON, after checking their files'),
    'the events',
  )
    .requiredOption('--from <time>', 'a day, month or time; inclusive')
    .option('--to <time>', 'a day, month or time; exclusive (default: now)')
    .action(
      async ({
        tenant,
        from,
        to,
      }: {
        readonly tenant: string;
        readonly from: string;
        readonly to?: string;
      }) => {
        const { archivedCommand } = await import('../usage-archive.ts');
        await archivedCommand(await stores(), tenant, from, to);
      },
    );
}

/** `weir reports ...` */
function addScheduledReportCommands(program: Command, { stores }: Pick<CommandTools, 'stores'>): void {
  const reports = program
    .command('reports')
    .description('make reports, and list and print those that were scheduled');
  const withOwner = (command: Command) =>
    withTenant(command, 'the reports').option('--all', 'reports of all tenants together');
  withOwner(
    reports
      .command('list', { isDefault: true })
      .description('list reports that schedules have made (default)'),
  )
    .option('--json', 'print as JSON')
    .action(async (flags: { readonly tenant: string; readonly all?: boolean; readonly json?: boolean }) => {
      const { listReportsCommand } = await import('../report-commands.ts');
      const { tenant, all = false, json = false } = flags;
      await listReportsCommand(await stores(), { tenant, all, json });
    });
  withOwner(reports.command('show <report>').description('print a report'))
    .option('--format <format>', 'text, csv or json', 'text')
    .action(
      async (
        report: string,
        {
          tenant,
          all = false,
          format,
        }: { readonly tenant: string; readonly all?: boolean; readonly format: string },
      ) => {
        const { showReportCommand } = await import('../report-commands.ts');
        await showReportCommand(await stores(), report, { tenant, all, format });
      },
    );
  withOwner(
    reports
      .command('make <period>')
      .description('make a daily, weekly or monthly report and print it, without storing it'),
  )
    .option('--day <day>', 'a day in the period (default: the last complete period)')
    .option('--format <format>', 'text, csv or json', 'text')
    .action(
      async (
        period: string,
        flags: {
          readonly tenant: string;
          readonly all?: boolean;
          readonly format: string;
          readonly day?: string;
        },
      ) => {
        const { makeReportCommand } = await import('../report-commands.ts');
        const { tenant, all = false, format, day } = flags;
        await makeReportCommand(await stores(), period, { tenant, all, format, day });
      },
    );
}
