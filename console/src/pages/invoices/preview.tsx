import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import { type InvoiceDocument, MONTH, thisMonth } from '../../lib/billing.ts';
import { usePageSearch } from '../../lib/search.ts';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';
import { InvoiceView } from './invoice-view.tsx';

/** The invoice of a month as of now, which is not stored. */
export function Preview({ tenant }: { readonly tenant: string }) {
  const [search, change] = usePageSearch();
  const month = search.month ?? thisMonth();
  const isMonth = MONTH.test(month);
  const path = `/admin/v1/tenants/${tenant}/billing/preview`;
  const { data, error, refetch, isLoading } = useQuery({
    queryKey: ['billing', 'preview', tenant, month],
    queryFn: ({ signal }) => api.get<{ document: InvoiceDocument }>(path, { query: { month }, signal }),
    enabled: isMonth,
  });
  return (
    <div className="flex flex-col gap-3 max-w-3xl">
      <TextField
        label="Month"
        className="max-w-32"
        value={month}
        onChange={({ target }) => change({ month: target.value })}
        error={isMonth ? undefined : 'Write a month as 2026-11.'}
      />
      {error ? (
        <ErrorPanel what="The month could not be calculated" error={error} retry={() => void refetch()} />
      ) : isLoading ? (
        <Skeleton className="h-48" />
      ) : (
        data && (
          <Panel title={`${month}, as of now`}>
            <InvoiceView document={data.document} />
          </Panel>
        )
      )}
    </div>
  );
}
