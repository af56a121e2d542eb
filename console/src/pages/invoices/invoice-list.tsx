import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { type Invoice, lastMonth } from '../../lib/billing.ts';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { CheckField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { INVOICE_TONES, InvoiceDrawer } from './invoice-drawer.tsx';

/** Where invoices are read: the platform sees drafts, and invoices of deleted tenants. */
export function invoicesPath(tenant: string | undefined, isPlatform: boolean): string {
  return isPlatform || tenant === undefined
    ? '/admin/v1/billing/invoices'
    : `/admin/v1/tenants/${tenant}/billing/invoices`;
}

const COLUMNS: readonly Column<Invoice>[] = [
  {
    ...{ id: 'number', header: 'Number', width: '10rem' },
    cell: ({ number, kind }) => number ?? (kind === 'invoice' ? 'draft' : '–'),
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant, width: 'minmax(8rem, 1fr)' },
  { id: 'month', header: 'Month', cell: ({ month }) => month, width: '6rem' },
  {
    ...{ id: 'status', header: 'Status', width: '7rem' },
    cell: ({ status, kind }) => (
      <Badge tone={kind === 'credit_note' ? 'neutral' : INVOICE_TONES[status]}>
        {kind === 'credit_note' ? 'credit note' : status}
      </Badge>
    ),
  },
  { id: 'due', header: 'Due', cell: ({ due_date }) => due_date ?? '–', width: '8rem' },
  {
    ...{ id: 'total', header: 'Total', isNumber: true, width: '9rem' },
    cell: ({ total, currency }) => `${total} ${currency}`,
  },
];

export function InvoiceList({ tenant }: { readonly tenant: string | undefined }) {
  const { can, me } = useSession();
  const [search, change] = usePageSearch();
  const [isClosing, setClosing] = useState(false);
  const isPlatform = me.platform_admin;
  const path = invoicesPath(tenant, isPlatform);
  const invoices = usePaged<Invoice>(path, isPlatform ? { tenant } : {});
  const close = can('invoices:write') && (
    <Button variant="primary" onClick={() => setClosing(true)}>
      Close a month
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex justify-end">{close}</div>
      {invoices.error ? (
        <ErrorPanel what="The invoices could not be read" error={invoices.error} retry={invoices.refetch} />
      ) : invoices.isLoading ? (
        <Skeleton className="h-64" />
      ) : invoices.rows.length === 0 ? (
        <Empty title="There are no invoices yet: closing a month makes them." action={close} />
      ) : (
        <DataTable
          label="Invoices"
          columns={COLUMNS}
          rows={invoices.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ invoice: id }, true)}
          onEnd={invoices.more}
          isLoadingMore={invoices.isLoadingMore}
        />
      )}
      {isClosing && <CloseMonth tenant={tenant} onClose={() => setClosing(false)} />}
      {search.invoice && (
        <InvoiceDrawer id={search.invoice} path={path} onClose={() => change({ invoice: undefined }, true)} />
      )}
    </div>
  );
}

interface ClosedTenant {
  readonly tenant: string;
  readonly total: string | null;
  readonly currency: string | null;
  readonly error: string | null;
}

/** Shows what closing a month would charge before it does. */
function CloseMonth({
  tenant,
  onClose,
}: {
  readonly tenant: string | undefined;
  readonly onClose: () => void;
}) {
  const [month, setMonth] = useState(lastMonth());
  const [issue, setIssue] = useState(false);
  const [planned, setPlanned] = useState<readonly ClosedTenant[]>();
  const form = useForm(async () => {
    const dry = planned === undefined;
    const { data } = await api.post<{ data: readonly ClosedTenant[] }>('/admin/v1/billing/close', {
      ...{ month, issue: issue && !dry, dry_run: dry },
      ...(tenant === undefined ? {} : { tenant }),
    });
    if (dry) setPlanned(data.filter(({ total, error }) => total !== null || error !== null));
    else onClose();
  }, ['month']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Close a month"
      description="Each tenant with charges gets an invoice. A month that is closed stays as it is."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Month"
          required
          pattern="20\d\d-(0[1-9]|1[0-2])"
          placeholder="2026-11"
          value={month}
          onChange={({ target }) => {
            setMonth(target.value);
            setPlanned(undefined);
          }}
          error={form.errorOf('month')}
        />
        {planned && (
          <>
            {planned.length === 0 ? (
              <p>Nothing is to be charged for {month}.</p>
            ) : (
              <ul aria-label="What would be charged" className="max-h-64 overflow-auto">
                {planned.map(({ tenant: of, total, currency, error }) => (
                  <li key={of} className="flex justify-between gap-3 py-0.5">
                    <span className="truncate">{of}</span>
                    <span className={error === null ? 'tabular-nums' : 'text-bad'}>
                      {error ?? `${total} ${currency}`}
                    </span>
                  </li>
                ))}
              </ul>
            )}
            <CheckField
              label="Issue the invoices"
              hint="They get their numbers and never change again. Without it, they are drafts."
              checked={issue}
              onChange={({ target }) => setIssue(target.checked)}
            />
          </>
        )}
        <FormEnd
          state={form}
          action={planned === undefined ? 'Calculate' : 'Close the month'}
          onCancel={onClose}
          what="The month was not closed"
        />
      </form>
    </Dialog>
  );
}
