import type { Command } from 'commander';
import type { CreateTenantOptions, UpdateTenantOptions } from '../tenants.ts';
import { type CommandTools, withLimits } from './group.ts';

/** `weir tenants ...` */
export function addTenantCommands(program: Command, { stores }: CommandTools): void {
  const tenants = program.command('tenants').description('create, list, change and delete tenants');
  withLimits(tenants.command('create <id>').description('create a tenant and its database'))
    .option('--name <name>', 'the display name (default: the id)')
    .option('--tier <tier>', 'the tier of its limits, or "none" for no limits (default: limits.default_tier)')
    .option('--time-zone <zone>', 'the zone of its days and months, such as Europe/Zurich (default: UTC)')
    .option(
      '--server <id>',
      'the database server of its data (storage.servers); by default one in its region',
      '',
    )
    .option('--region <id>', 'its home region: only gateways there serve it')
    .option('--allowed-regions <list>', 'where its data may be processed, such as eu,us-east-1')
    .option('--failover-regions <list>', 'regions that serve it while its home region is unavailable')
    .option('--wrong-region <reject|forward>', 'what gateways of other regions do with its requests')
    .option('--json', 'print as JSON')
    .action(async (id: string, flags: Omit<CreateTenantOptions, 'json'> & { readonly json?: boolean }) => {
      const { createTenantCommand } = await import('../tenants.ts');
      await createTenantCommand(await stores(), id, { ...flags, json: flags.json === true });
    });
  withLimits(tenants.command('update <id>').description('change a tenant'))
    .option('--name <name>', 'the display name')
    .option('--tier <tier>', 'the tier of its limits, or "none" for no limits')
    .option('--status <status>', 'active or suspended')
    .option('--time-zone <zone>', 'the zone of its days and months')
    .option(
      '--request-log <on|off>',
      'whether its prompts and responses are kept, redacted and sealed, for 30 days',
    )
    .option('--region <id>', 'its home region, or "none": every region serves it')
    .option('--allowed-regions <list>', 'where its data may be processed, such as eu,us-east-1')
    .option('--failover-regions <list>', 'regions that serve it while its home region is unavailable')
    .option('--wrong-region <reject|forward>', 'what gateways of other regions do with its requests')
    .option('--audit-requests <on|off>', 'whether each of its requests becomes an entry of its audit trail')
    .action(async (id: string, flags: UpdateTenantOptions) => {
      const { updateTenantCommand } = await import('../tenants.ts');
      await updateTenantCommand(await stores(), id, flags);
    });
  tenants
    .command('list')
    .description('list all tenants')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { listTenantsCommand } = await import('../tenants.ts');
      await listTenantsCommand(await stores(), json === true);
    });
  tenants
    .command('delete <id>')
    .description('list what deleting a tenant would delete; with --yes, delete it with all its data')
    .option('--yes', 'delete it')
    .action(async (id: string, { yes }: { readonly yes?: boolean }) => {
      const { deleteTenantCommand } = await import('../tenants.ts');
      await deleteTenantCommand(await stores(), id, yes === true);
    });
}
