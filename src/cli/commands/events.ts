import type { Command } from 'commander';
import type { AdminApiOptions, ListenOptions } from '../listen.ts';
import type { Output } from '../output.ts';
import { repeated, withTenant } from './group.ts';

const DEFAULT_URL = 'http://localhost:8080';

function withApi(command: Command): Command {
  return withTenant(command, 'the events')
    .option('--url <url>', 'the gateway', DEFAULT_URL)
    .option('--key <key>', 'a key for its admin API (default: WEIR_ADMIN_KEY)');
}

/** `weir listen` and `weir trigger`. */
export function addEventCommands(
  program: Command,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
): void {
  withApi(program.command('listen'))
    .description('follow the events of a tenant, and send them to a URL as webhooks (until Ctrl-C)')
    .option('--forward-to <url>', 'where to send them, for example http://127.0.0.1:3000/hooks')
    .addOption(repeated('--event <pattern>', 'only these types, such as "budget.*"; may be repeated'))
    .option('--secret <secret>', 'signs requests; by default a new one, which is printed')
    .option('--count <number>', 'end after so many events')
    .action(async (options: ListenOptions) => {
      const { listenCommand } = await import('../listen.ts');
      const end = new AbortController();
      process.once('SIGINT', () => end.abort());
      await listenCommand(env, output, options, end.signal);
    });
  withApi(program.command('trigger <type>'))
    .description('store an event with example data, such as budget.exceeded')
    .action(async (type: string, options: AdminApiOptions) => {
      const { triggerCommand } = await import('../listen.ts');
      await triggerCommand(env, output, type, options);
    });
}
