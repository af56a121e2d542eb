import { DEFAULT_LIST } from '../../billing/price-lists.ts';
import type { Billing } from '../../billing/services.ts';
import { BY_OPERATOR } from '../operator.ts';

const BY_FINANCE = { ...BY_OPERATOR, actor: { ...BY_OPERATOR.actor, name: 'Finance' } };

/** Invoiced as drafts, issued, paid: one tenant each. */
const ACCOUNTS = [
  {
    ...{ tenant: 'acme', state: 'paid' },
    document: {
      ...{ name: 'Acme Retail AG', address: ['Bahnhofstrasse 1', '8001 Zürich'], reference: 'PO 2041' },
      email: 'finance@acme.example',
    },
  },
  {
    ...{ tenant: 'northwind', state: 'open' },
    document: {
      ...{ name: 'Northwind Logistics Inc.', address: ['12 Harbor Street', 'Boston, MA 02110'] },
      email: 'ap@northwind.example',
    },
  },
  { tenant: 'lumen', state: 'draft', document: { name: 'Lumen Health Ltd' } },
] as const;

const SUPPORT = '40';

/** Who sends the invoices of the demo, and what they are taxed with. */
export const DEMO_BILLING = {
  issuer: {
    ...{ name: 'Weir Demo Ltd', address: ['1 Canal Street', 'London'] },
    payment: ['IBAN GB33 BUKB 2020 1555 5555 55'],
  },
  taxes: { standard: [{ name: 'VAT', rate: '20' }] },
};

/**
 * Prices the usage of a month that is over, closes it, and adds what finance does with invoices.
 * @param month `2026-10`
 * @param running the month after it, which is not closed
 */
export async function closeMonth(
  { accounts, priceLists, costs, closeRun, invoices }: Billing,
  month: string,
  running: string,
): Promise<void> {
  const prices = {
    ...{ margin: '15', minimum: SUPPORT },
    rules: [
      { model: 'assistant', tax_class: 'standard', prices: { input: '3.60', output: '18.00' } },
      { model: 'embeddings', tax_class: 'standard', prices: { input: '0.03' } },
    ],
  };
  await priceLists.add(DEFAULT_LIST, `${month}-01`, prices, 'price_list:default', BY_FINANCE);
  for (const each of [month, running]) {
    const gpus = { kind: 'gpu', description: 'Two A10G', gpu: 'A10G', count: 2, hours: '60' } as const;
    const shared = { share_by: 'tokens', charge: true, tax_class: 'standard' } as const;
    await costs.add(each, { ...gpus, ...shared }, BY_FINANCE);
  }
  for (const { tenant, state, document } of ACCOUNTS) {
    await accounts.put(tenant, document, undefined, BY_FINANCE);
    const issue = state !== 'draft';
    const [closed] = await closeRun.run({ month, tenant, dry_run: false, issue }, BY_FINANCE);
    const id = closed?.invoice;
    if (state !== 'paid' || !id) continue;
    await invoices.pay(id, 'SEPA 2041', undefined, BY_FINANCE);
    const { document: issued } = await invoices.get(id);
    const largest = issued.lines.reduce((most, one) =>
      Number(one.amount) > Number(most.amount) ? one : most,
    );
    const lines = [{ line: largest.number, amount: (Number(largest.amount) / 10).toFixed(2) }];
    await invoices.credit(id, { reason: 'Outage of the provider east', lines }, BY_FINANCE);
  }
}
