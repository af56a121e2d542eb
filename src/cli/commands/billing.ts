import type { Command } from 'commander';
import type { CloseOptions, ExportOptions, InvoicesOptions } from '../billing.ts';
import { type CommandTools, withTenant } from './group.ts';

type Flags<Options> = Omit<Options, 'json' | 'yes' | 'issue'> & {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly issue?: boolean;
};

/** `weir billing ...` */
export function addBillingCommands(program: Command, { stores }: CommandTools): void {
  const billing = program.command('billing').description('calculate, close, list and export invoices');
  withTenant(
    billing.command('preview <month>').description('print the invoice of a month as of now'),
    'the usage',
  )
    .option('--json', 'print as JSON')
    .action(async (month: string, { tenant, json }: { readonly tenant: string; readonly json?: boolean }) => {
      const { previewCommand } = await import('../billing.ts');
      await previewCommand(await stores(), tenant, month, json === true);
    });
  billing
    .command('close <month>')
    .description('list what closing a month would charge; with --yes, close it')
    .option('--tenant <id>', 'only this tenant (default: every tenant)')
    .option('--yes', 'close it')
    .option('--issue', 'issue the invoices, too')
    .option('--json', 'print as JSON')
    .action(async (month: string, { json, yes, issue, tenant }: Omit<Flags<CloseOptions>, 'month'>) => {
      const { closeCommand } = await import('../billing.ts');
      const options = { month, tenant, yes: yes === true, issue: issue === true, json: json === true };
      await closeCommand(await stores(), options);
    });
  billing
    .command('invoices')
    .description('list invoices and credit notes, also of deleted tenants')
    .option('--tenant <id>', 'only of this tenant')
    .option('--month <month>', 'only of this month, such as 2026-11')
    .option('--json', 'print as JSON')
    .action(async ({ tenant, month, json }: Flags<InvoicesOptions>) => {
      const { invoicesCommand } = await import('../billing.ts');
      await invoicesCommand(await stores(), { tenant, month, json: json === true });
    });
  billing
    .command('show <invoice>')
    .description('print an invoice or credit note, by its id or number')
    .option('--format <format>', 'json, csv or pdf', 'json')
    .option('--file <file>', 'write to a file (default for pdf: its number)')
    .action(
      async (invoice: string, { format, file }: { readonly format: string; readonly file?: string }) => {
        const { showInvoiceCommand } = await import('../billing.ts');
        await showInvoiceCommand(await stores(), invoice, format, file);
      },
    );
  billing
    .command('export')
    .description('export issued invoices for another billing system, as lines of JSON')
    .requiredOption('--format <format>', 'stripe-meter-events, stripe-invoice-items, lago or openmeter')
    .option('--month <month>', 'only of this month, such as 2026-11')
    .option('--tenant <id>', 'only of this tenant')
    .option('--file <file>', 'write to a file')
    .option('--push <url>', 'send to an API, with idempotency keys')
    .option('--key-env <name>', 'the variable with the API key for --push', 'WEIR_BILLING_EXPORT_KEY')
    .action(async (options: ExportOptions) => {
      const { exportCommand } = await import('../billing.ts');
      await exportCommand(await stores(), options);
    });
  billing
    .command('verify')
    .description('check hashes and numbers of issued documents')
    .option('--json', 'print as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { verifyCommand } = await import('../billing.ts');
      await verifyCommand(await stores(), json === true);
    });
}
