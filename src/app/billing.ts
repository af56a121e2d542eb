import { AutomaticClose } from '../billing/automatic-close.ts';
import { BillingAccounts } from '../billing/billing-accounts.ts';
import { CloseRun } from '../billing/close-run.ts';
import { InfrastructureCosts } from '../billing/infrastructure-costs.ts';
import { InvoiceEvents } from '../billing/invoice-events.ts';
import { InvoiceMail } from '../billing/invoice-mail.ts';
import { Invoices } from '../billing/invoices.ts';
import { MonthClose } from '../billing/month-close.ts';
import { PdfThread } from '../billing/pdf/pdf-thread.ts';
import { PriceLists } from '../billing/price-lists.ts';
import type { Billing } from '../billing/services.ts';
import type { BillingSettings } from '../billing/settings.ts';
import { TenantMonths } from '../billing/tenant-months.ts';
import type { Config } from '../config/schema.ts';
import { Calendar } from '../limits/calendar.ts';
import { sendMail } from '../platform/mailer.ts';
import { SqlUsageStore } from '../storage/sql/usage-store.ts';
import type { Stores } from './stores.ts';

/** Builds billing, for a gateway or a command. */
export function createBilling(
  { control, databases, sources, outbox }: Pick<Stores, 'control' | 'databases' | 'sources' | 'outbox'>,
  config: () => Config,
): Billing {
  const settings = () => billingSettings(config());
  const accounts = new BillingAccounts(control, sources);
  const priceLists = new PriceLists(control, sources);
  const usage = new SqlUsageStore(databases);
  const calendar = new Calendar();
  const costs = new InfrastructureCosts({ control, sources, settings, accounts, usage });
  const events = new InvoiceEvents(outbox);
  const months = new MonthClose({
    ...{ control, sources, settings, accounts, costs, calendar, events },
    months: new TenantMonths(usage, priceLists, calendar),
  });
  const invoices = new Invoices({ control, sources, settings, calendar, events });
  const closeRun = new CloseRun(accounts, months, invoices);
  const automatic = new AutomaticClose({
    ...{ control, sources, settings, accounts, months, invoices, events, calendar },
  });
  const pdf = new PdfThread();
  const print: Billing['print'] = (invoice) => pdf.print({ ...invoice, fonts: settings().fonts });
  const mail = new InvoiceMail({
    ...{ invoices, print },
    send: () => {
      const server = config().mail;
      return server ? (message) => sendMail(server, message) : undefined;
    },
  });
  return {
    ...{ settings, accounts, priceLists, costs, months, invoices, closeRun, automatic, mail, print },
  };
}

function billingSettings({ billing }: Config): BillingSettings {
  const { issuer } = billing;
  return {
    issuer: issuer && {
      ...{ name: issuer.name, address: issuer.address, email: issuer.email, payment: issuer.payment },
      vatId: issuer.vat_id,
    },
    timeZone: billing.time_zone,
    numbers: { invoice: billing.invoice_number, credit_note: billing.credit_note_number },
    dueDays: billing.due_days,
    close: billing.close,
    closeAfterMs: billing.close_after,
    taxes: billing.taxes,
    reverseChargeNote: billing.reverse_charge_note,
    exchangeRates: billing.exchange_rates,
    gpuHours: billing.gpu_hours,
    notes: billing.notes,
    fonts: billing.fonts ?? undefined,
  };
}
