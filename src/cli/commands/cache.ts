import type { Command } from 'commander';
import type { EvaluateOptions } from '../cache-evaluate.ts';
import type { CommandTools } from './group.ts';

/** `weir cache evaluate` */
export function addCacheCommands(
  program: Command,
  { stores }: CommandTools,
  setExit: (code: number) => void,
): void {
  const cache = program.command('cache').description('evaluate the semantic cache');
  cache
    .command('evaluate')
    .description(
      'decide for pairs of questions whether the semantic cache takes them for the same; exit code 1 on a trap hit',
    )
    .option('--pairs <file>', 'pairs as JSON lines, instead of those that ship with Weir')
    .option('--threshold <number>', 'the least similarity of a candidate (default: 0.8)')
    .option('--json', 'print as JSON')
    .action(async ({ json, ...flags }: Omit<EvaluateOptions, 'json'> & { readonly json?: boolean }) => {
      const { evaluateCommand } = await import('../cache-evaluate.ts');
      setExit(await evaluateCommand(await stores(), { ...flags, json: json === true }));
    });
}
