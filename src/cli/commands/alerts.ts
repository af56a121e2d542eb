import type { Command } from 'commander';
import type { AlertListOptions, SilenceOptions } from '../alerts.ts';
import { type CommandTools, repeated } from './group.ts';

/** `weir alerts ...` */
export function addAlertCommands(program: Command, { stores }: CommandTools): void {
  const alerts = program.command('alerts').description('list and silence alerts, and test receivers');
  const ofTenant = (command: Command) =>
    command.option('--tenant <id>', 'only this tenant (default: the platform, with all tenants)');
  ofTenant(alerts.command('list', { isDefault: true }).description('list alerts that fire (default)'))
    .option('--history', 'alerts that ended, too')
    .option('--json', 'print as JSON')
    .action(async (options: AlertListOptions) => {
      const { listAlertsCommand } = await import('../alerts.ts');
      await listAlertsCommand(await stores(), options);
    });
  ofTenant(alerts.command('silence').description('suppress messages about alerts'))
    .addOption(
      repeated(
        '--match <label=value>',
        'such as rule=latency or model=fast*; may be repeated; all must match',
      ),
    )
    .option('--for <time>', 'how long, such as 2h', '1h')
    .requiredOption('--comment <text>', 'why')
    .option('--json', 'print as JSON')
    .action(async (options: SilenceOptions) => {
      const { silenceCommand } = await import('../alerts.ts');
      await silenceCommand(await stores(), options);
    });
  ofTenant(alerts.command('test [receiver]').description('send a test message to a receiver, or to all'))
    .option('--json', 'print as JSON')
    .action(
      async (
        receiver: string | undefined,
        options: { readonly tenant?: string; readonly json?: boolean },
      ) => {
        const { testReceiversCommand } = await import('../alerts.ts');
        await testReceiversCommand(await stores(), receiver, options);
      },
    );
}
