import { type Command, Option } from 'commander';
import type { EvaluateOptions, TestOptions } from '../guard.ts';
import type { CommandTools } from './group.ts';

/** `weir guard evaluate` and `weir guard test` */
export function addGuardCommands(
  program: Command,
  { stores }: CommandTools,
  setExit: (code: number) => void,
): void {
  const guard = program.command('guard').description('evaluate guardrails, and try them on texts');
  guard
    .command('evaluate')
    .description(
      'run the injection rules and pattern sets over labelled texts; exit code 1 for more than 1 % of false alarms',
    )
    .option('--set <file>', 'labelled texts as JSON lines, instead of those that ship with Weir')
    .option('--threshold <number>', 'the score from which the injection rules act (default: 0.6)')
    .option('--mistakes', 'print the texts that the rules get wrong')
    .option('--json', 'print as JSON')
    .action(
      async ({
        json,
        mistakes,
        ...flags
      }: Omit<EvaluateOptions, 'json' | 'mistakes'> & {
        readonly json?: boolean;
        readonly mistakes?: boolean;
      }) => {
        const { evaluateGuardCommand } = await import('../guard.ts');
        const options = { ...flags, mistakes: mistakes === true, json: json === true };
        setExit(await evaluateGuardCommand(await stores(), options));
      },
    );
  guard
    .command('test <file>')
    .description(
      'show what the guardrails of the configuration do with a text; exit code 1 where one blocks it',
    )
    .addOption(
      new Option('--direction <direction>', 'what the text is')
        .choices(['input', 'output', 'tool_call', 'tool_result'])
        .default('input'),
    )
    .option('--id <id>', 'only this guardrail')
    .option('--model <model>', 'the model that the text is for')
    .option('--json', 'print as JSON')
    .action(
      async (file: string, { json, ...flags }: Omit<TestOptions, 'json'> & { readonly json?: boolean }) => {
        const { testGuardCommand } = await import('../guard.ts');
        setExit(await testGuardCommand(await stores(), file, { ...flags, json: json === true }));
      },
    );
}
