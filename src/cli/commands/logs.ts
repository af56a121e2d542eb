import { once } from 'node:events';
import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import type { LogsOptions } from '../logs.ts';
import type { Output } from '../output.ts';

/** `weir logs`. @param load reads the configuration */
export function addLogsCommand(
  program: Command,
  env: Readonly<Record<string, string | undefined>>,
  output: Output,
  load: () => Promise<() => Config>,
): void {
  program
    .command('logs [file...]')
    .description(
      'search the log files (log.files), compressed ones included, or the files that are named (-: input)',
    )
    .option('--tenant <id>', 'only of this tenant')
    .option('--key <id>', 'only of this key, by its id')
    .option('--user <id>', 'only of keys of this member')
    .option('--model <name>', 'only of this model, as clients name it or as it was routed')
    .option('--provider <id>', 'only of this provider')
    .option('--status <list>', 'only with these statuses, such as 429,5xx')
    .option('--level <level>', 'this level and higher ones: debug, info, warn or error')
    .option('--from <time>', 'inclusive: a date, a time, or how long ago, such as 2h')
    .option('--to <time>', 'exclusive')
    .option('--request-id <id>', 'only of this request')
    .option('--trace-id <id>', 'only of this trace')
    .option('--min-duration <duration>', 'only requests that took at least this long, such as 10s')
    .option('--min-cost <dollars>', 'only requests that cost at least this much')
    .option('--text <text>', 'only lines with this text, in upper or lower case')
    .option('--limit <number>', 'the number of lines, the last ones; or "all"', '100')
    .option('--follow', 'print new lines too, until Ctrl-C')
    .option('--folder <path>', 'search this folder instead of that of the configuration')
    .option('--json', 'print the lines as they are')
    .action(async (files: string[], options: LogsOptions) => {
      const { logsCommand } = await import('../logs.ts');
      const { stdout, stdin } = process;
      // Without waiting, a slow reader would make this process hold all lines.
      const drained = () =>
        stdout.writableNeedDrain ? once(stdout, 'drain').then(() => undefined) : undefined;
      const standardInput = () => stdin;
      await logsCommand({ config: await load(), env, output, drained, standardInput }, files, options);
    });
}
