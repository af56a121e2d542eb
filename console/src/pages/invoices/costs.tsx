import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import { type InfrastructureCost, MONTH, thisMonth } from '../../lib/billing.ts';
import { percent } from '../../lib/format.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { CheckField, SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';

const PATH = '/admin/v1/billing/costs';

const KINDS = [
  { value: 'gpu', label: 'GPUs, by the hour' },
  { value: 'storage', label: 'storage' },
  { value: 'network', label: 'network' },
  { value: 'training', label: 'training' },
  { value: 'other', label: 'something else' },
];
const SHARES = [
  { value: 'tokens', label: 'tokens' },
  { value: 'requests', label: 'requests' },
  { value: 'cost', label: 'cost of providers' },
  { value: 'time', label: 'time of attempts' },
];

/** Costs of the installation in a month, divided among tenants. */
export function Costs() {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<InfrastructureCost>();
  const client = useQueryClient();
  const month = search.month ?? thisMonth();
  const isMonth = MONTH.test(month);
  const { data, error, refetch, isLoading } = useQuery({
    queryKey: ['billing', 'costs', month],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly InfrastructureCost[] }>(PATH, { query: { month }, signal }),
    enabled: isMonth,
  });
  const mayChange = can('invoices:write');
  const add = mayChange && (
    <Button variant="primary" onClick={() => setAdding(true)}>
      Add a cost
    </Button>
  );
  return (
    <div className="flex flex-col gap-3 max-w-3xl">
      <div className="flex flex-wrap gap-3 items-end">
        <TextField
          label="Month (UTC)"
          className="max-w-32"
          value={month}
          onChange={({ target }) => change({ month: target.value })}
          error={isMonth ? undefined : 'Write a month as 2026-11.'}
        />
        <span className="grow" />
        {data && data.data.length > 0 && add}
      </div>
      {error ? (
        <ErrorPanel what="The costs could not be read" error={error} retry={() => void refetch()} />
      ) : isLoading ? (
        <Skeleton className="h-48" />
      ) : data && data.data.length === 0 ? (
        <Empty
          title={`No cost is recorded for ${month}. A cost, such as rented GPUs, is divided among tenants by their usage.`}
          action={add}
        />
      ) : (
        data?.data.map((cost) => (
          <Panel
            key={cost.id}
            title={cost.description}
            actions={
              <>
                {cost.charge && <Badge>charged</Badge>}
                {cost.is_final && <Badge>invoiced</Badge>}
                {mayChange && !cost.is_final && (
                  <Button
                    variant="quiet"
                    aria-label={`Remove ${cost.description}`}
                    onClick={() => setRemoved(cost)}
                  >
                    Remove
                  </Button>
                )}
              </>
            }
          >
            <Cost cost={cost} />
          </Panel>
        ))
      )}
      {isAdding && <AddCost month={isMonth ? month : thisMonth()} onClose={() => setAdding(false)} />}
      {removed && (
        <ConfirmDialog
          isOpen
          onClose={() => setRemoved(undefined)}
          title={`Remove ${removed.description}`}
          lost={`$${removed.allocation.amount} of ${removed.month}, and the parts of ${removed.allocation.shares.length} tenants. No invoice contains them.`}
          name={removed.description}
          action="Remove"
          onConfirm={async () => {
            await api.delete(pathOf(PATH, removed.id));
            await client.invalidateQueries();
          }}
        />
      )}
    </div>
  );
}

function Cost({ cost }: { readonly cost: InfrastructureCost }) {
  const { kind, gpu, count = 1, hours, share_by: by, models, created_by: author, allocation } = cost;
  const total = allocation.shares.reduce((sum, { weight }) => sum + Number(weight), 0);
  return (
    <div className="flex flex-col gap-2">
      <p>
        ${allocation.amount} for {gpu === undefined ? kind : `${count} × ${gpu}, ${hours} hours each`}, shared
        by {SHARES.find(({ value }) => value === by)?.label ?? by}
        {models !== undefined && ` of ${models.join(', ')}`}. Added by {author}.
      </p>
      {allocation.shares.length === 0 ? (
        <p className="text-muted">No tenant has usage to share it by: it stays with the installation.</p>
      ) : (
        <table className="w-full tabular-nums" aria-label={`Parts of ${cost.description}`}>
          <thead className="text-muted text-left">
            <tr>
              <th className="font-normal py-1 pr-3">Tenant</th>
              <th className="font-normal py-1 pr-3 text-right">Share</th>
              <th className="font-normal py-1 text-right">Part ($)</th>
            </tr>
          </thead>
          <tbody>
            {allocation.shares.map(({ tenant, account, weight, amount }) => (
              <tr key={account} className="border-t border-line">
                <td className="py-1 pr-3 break-all">{tenant}</td>
                <td className="py-1 pr-3 text-right">{percent(total === 0 ? 0 : Number(weight) / total)}</td>
                <td className="py-1 text-right">{amount}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

const FIELDS = ['month', 'kind', 'description', 'gpu', 'count', 'hours', 'amount', 'share_by', 'models'];

function AddCost({ month: first, onClose }: { readonly month: string; readonly onClose: () => void }) {
  const [values, setValues] = useState({
    ...{ month: first, kind: 'gpu', description: '', gpu: 'A10G', count: '1', hours: '', amount: '' },
    ...{ share_by: 'tokens', models: '', charge: true },
  });
  const isGpu = values.kind === 'gpu';
  const set = (change: Partial<typeof values>) => setValues({ ...values, ...change });
  const form = useForm(async () => {
    const { month, kind, description, gpu, count, hours, amount, share_by, charge } = values;
    const models = values.models.split(/[\s,]+/).filter(Boolean);
    await api.post(PATH, {
      ...{ month, kind, description, share_by, charge },
      ...(isGpu ? { gpu, count: Number(count), hours } : { amount }),
      ...(models.length > 0 && { models }),
    });
    onClose();
  }, FIELDS);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Add a cost"
      description="It is divided among tenants by their usage of the month, to the cent."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Description"
          required
          maxLength={200}
          placeholder="Four A10G"
          value={values.description}
          onChange={({ target }) => set({ description: target.value })}
          error={form.errorOf('description')}
        />
        <div className="grid gap-3 grid-cols-2">
          <TextField
            label="Month (UTC)"
            required
            pattern="20\d\d-(0[1-9]|1[0-2])"
            placeholder="2026-11"
            value={values.month}
            onChange={({ target }) => set({ month: target.value })}
            error={form.errorOf('month')}
          />
          <SelectField
            label="Kind"
            options={KINDS}
            value={values.kind}
            onChange={({ target }) => set({ kind: target.value })}
            error={form.errorOf('kind')}
          />
          {isGpu ? (
            <>
              <TextField
                label="GPU"
                required
                hint="One with a price in billing.gpu_hours."
                value={values.gpu}
                onChange={({ target }) => set({ gpu: target.value })}
                error={form.errorOf('gpu')}
              />
              <TextField
                label="How many"
                type="number"
                min={1}
                required
                value={values.count}
                onChange={({ target }) => set({ count: target.value })}
                error={form.errorOf('count')}
              />
              <TextField
                label="Hours of each"
                required
                inputMode="decimal"
                placeholder="720"
                value={values.hours}
                onChange={({ target }) => set({ hours: target.value })}
                error={form.errorOf('hours')}
              />
            </>
          ) : (
            <TextField
              label="Amount ($)"
              required
              inputMode="decimal"
              placeholder="120.00"
              value={values.amount}
              onChange={({ target }) => set({ amount: target.value })}
              error={form.errorOf('amount')}
            />
          )}
          <SelectField
            label="Shared by"
            options={SHARES}
            value={values.share_by}
            onChange={({ target }) => set({ share_by: target.value })}
            error={form.errorOf('share_by')}
          />
        </div>
        <TextField
          label="Only usage of these models"
          hint="Names separated by commas; * at the end stands for anything. Empty: all."
          value={values.models}
          onChange={({ target }) => set({ models: target.value })}
          error={form.errorOf('models')}
        />
        <CheckField
          label="Charge it"
          hint="Each tenant's part becomes a line of its next invoice."
          checked={values.charge}
          onChange={({ target }) => set({ charge: target.checked })}
        />
        <FormEnd state={form} action="Add" onCancel={onClose} what="The cost was not added" />
      </form>
    </Dialog>
  );
}
