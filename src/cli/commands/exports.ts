import type { Command } from 'commander';
import type { CommandTools } from './group.ts';

/** `weir exports ...` */
export function addExportCommands(program: Command, { stores }: CommandTools): void {
  const group = program.command('exports').description('list and test exports of usage and logged requests');
  group
    .command('list')
    .description('list what was sent for each tenant, and what failed')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { exportsCommand } = await import('../exports.ts');
      await exportsCommand(await stores(), json === true);
    });
  group
    .command('test <export>')
    .description('send one record without usage, of a tenant named `test`')
    .action(async (id: string) => {
      const { testExportCommand } = await import('../exports.ts');
      await testExportCommand(await stores(), id);
    });
}
