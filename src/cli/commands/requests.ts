import type { Command } from 'commander';
import type { RequestsOptions } from '../requests.ts';
import { type CommandTools, withTenant } from './group.ts';

/** `weir requests ...` */
export function addRequestCommands(program: Command, { stores }: CommandTools): void {
  const requests = program.command('requests').description('list, show and export requests');
  withFilters(withTenant(requests.command('list').description('list requests, newest first'), 'the requests'))
    .option('--limit <count>', 'the most that are listed', '20')
    .option('--json', 'print as lines of JSON')
    .action(async (options: RequestsOptions) => {
      const { listRequestsCommand } = await import('../requests.ts');
      await listRequestsCommand(await stores(), options);
    });
  withTenant(
    requests.command('show <id>').description('print everything that is kept of a request, as JSON'),
    'the request',
  ).action(async (id: string, { tenant }: { readonly tenant: string }) => {
    const { showRequestCommand } = await import('../requests.ts');
    await showRequestCommand(await stores(), id, tenant);
  });
  withFilters(
    withTenant(
      requests
        .command('export')
        .description('print logged prompts and responses as lines of JSON, which `weir replay` reads'),
      'the requests',
    ),
  )
    .option('--limit <count>', 'the most that are exported', '10000')
    .action(async (options: RequestsOptions) => {
      const { exportRequestsCommand } = await import('../requests.ts');
      await exportRequestsCommand(await stores(), options);
    });
}

function withFilters(command: Command): Command {
  return command
    .option('--from <time>', 'such as 2026-01-31T12:00:00Z; inclusive (default: a day ago)')
    .option('--to <time>', 'exclusive (default: now)')
    .option('--user <id>', 'the member who sent them')
    .option('--key <id>', 'the API key')
    .option('--model <model>', 'the model')
    .option('--provider <id>', 'the provider that was tried')
    .option('--tag <tag>', 'a tag')
    .option('--status <status>', 'a status such as 429, or a class such as 5xx')
    .option('--error <code>', 'a code such as rate_limit_exceeded')
    .option('--min-cost <dollars>', 'US dollars, at least')
    .option('--text <text>', 'a text in logged prompts and responses');
}
