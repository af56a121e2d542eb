import type { AutomaticClose } from './automatic-close.ts';
import type { BillingAccounts } from './billing-accounts.ts';
import type { CloseRun } from './close-run.ts';
import type { InfrastructureCosts } from './infrastructure-costs.ts';
import type { InvoiceMail } from './invoice-mail.ts';
import type { Invoices } from './invoices.ts';
import type { MonthClose } from './month-close.ts';
import type { PrintInvoice } from './pdf/printed-invoice.ts';
import type { PriceLists } from './price-lists.ts';
import type { BillingSettings } from './settings.ts';

/** Everything that makes invoices. */
export interface Billing {
  readonly settings: () => BillingSettings;
  readonly accounts: BillingAccounts;
  readonly priceLists: PriceLists;
  readonly months: MonthClose;
  readonly invoices: Invoices;
  readonly costs: InfrastructureCosts;
  readonly closeRun: CloseRun;
  readonly automatic: AutomaticClose;
  readonly mail: InvoiceMail;
  readonly print: PrintInvoice;
}
