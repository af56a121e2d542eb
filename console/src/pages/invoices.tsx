import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Empty } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { BillingDetails } from './invoices/billing-details.tsx';
import { Costs } from './invoices/costs.tsx';
import { InvoiceList } from './invoices/invoice-list.tsx';
import { Preview } from './invoices/preview.tsx';
import { Prices } from './invoices/prices.tsx';

/** Invoices and prices: of the chosen tenant, or of all of them. */
export default function InvoicesPage() {
  const { tenant, can } = useSession();
  const [search] = usePageSearch();
  const isAllowed = tenant === undefined ? can('tenants:list') : can('billing:read', tenant);
  const tabs = [
    { id: 'invoices', label: 'Invoices' },
    ...(tenant === undefined ? [] : [{ id: 'month', label: 'This month' }]),
    { id: 'prices', label: 'Prices' },
    tenant === undefined
      ? { id: 'costs', label: 'Infrastructure costs' }
      : { id: 'details', label: 'Billing details' },
  ];
  const active = tabs.find(({ id }) => id === search.tab)?.id ?? 'invoices';
  return (
    <Page title="Invoices" purpose={`What ${tenant ?? 'each tenant'} is charged, month by month.`}>
      {isAllowed ? (
        <>
          <Tabs label="Parts of invoices" tabs={tabs} />
          {active === 'invoices' && <InvoiceList key={tenant} tenant={tenant} />}
          {active === 'month' && tenant !== undefined && <Preview key={tenant} tenant={tenant} />}
          {active === 'prices' && <Prices key={tenant} tenant={tenant} />}
          {active === 'costs' && <Costs />}
          {active === 'details' && tenant !== undefined && <BillingDetails key={tenant} tenant={tenant} />}
        </>
      ) : (
        <Empty title="You need the permission billing:read to see invoices. Ask an owner of this tenant." />
      )}
    </Page>
  );
}
