import type { Command } from 'commander';
import type { BatchListOptions } from '../batches.ts';
import { type CommandTools, withTenant } from './group.ts';

/** `weir batches ...` */
export function addBatchCommands(program: Command, { stores }: CommandTools): void {
  const batches = program.command('batches').description('list, show and cancel batches of requests');
  withTenant(batches.command('list').description('list batches, newest first'), 'the batches')
    .option('--limit <count>', 'the most that are listed', '20')
    .option('--json', 'print as lines of JSON')
    .action(async (options: BatchListOptions) => {
      const { listBatchesCommand } = await import('../batches.ts');
      await listBatchesCommand(await stores(), options);
    });
  withTenant(
    batches.command('show <id>').description('print everything that is known of a batch, as JSON'),
    'the batch',
  ).action(async (id: string, { tenant }: { readonly tenant: string }) => {
    const { showBatchCommand } = await import('../batches.ts');
    await showBatchCommand(await stores(), id, tenant);
  });
  withTenant(
    batches.command('cancel <id>').description('cancel a batch: lines that run are completed'),
    'the batch',
  ).action(async (id: string, { tenant }: { readonly tenant: string }) => {
    const { cancelBatchCommand } = await import('../batches.ts');
    await cancelBatchCommand(await stores(), id, tenant);
  });
}
