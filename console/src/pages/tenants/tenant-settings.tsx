import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import type { ListPage } from '../../lib/paged.ts';
import { readOthersAgain } from '../../lib/removed.ts';
import { useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import { limitText, type Tenant, type Tier } from '../../lib/tenancy.ts';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { ResidencyPanel } from './residency.tsx';

const MAX_COUNTED = 200;

/** Name, tier, status and time zone of a tenant, and its removal. */
export function TenantSettings({ tenant }: { readonly tenant: string }) {
  const { can } = useSession();
  const path = `/admin/v1/tenants/${tenant}`;
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<Tenant>('GET', path, { signal }),
  });
  if (error) {
    return <ErrorPanel what="The tenant could not be read" error={error} retry={() => void refetch()} />;
  }
  if (!data) return <Skeleton className="h-64" />;
  return (
    <div className="flex flex-col gap-3 max-w-2xl">
      <TenantForm key={path} path={path} base={data} />
      <ResidencyPanel key={`region ${path}`} path={path} base={data} />
      {can('tenants:delete') && tenant !== 'default' && <Removal path={path} tenant={data.data} />}
    </div>
  );
}

function TenantForm({ path, base }: { readonly path: string; readonly base: Reply<Tenant> }) {
  const { can } = useSession();
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [values, setValues] = useState(() => valuesOf(first.data));
  const unsaved = useUnsaved();
  const mayAssign = can('tenants:assign', first.data.id);
  const bodyOf = mayAssign ? valuesOf : ownValuesOf;
  const { save, dialog } = useSave<Tenant>({ method: 'PATCH', bodyOf });
  const { data: tiers } = useQuery({
    queryKey: ['tiers'],
    queryFn: ({ signal }) => api.get<{ data: readonly Tier[] }>('/admin/v1/tiers', { signal }),
  });
  const form = useForm(async () => {
    setValues(valuesOf(await save(path, first, bodyOf(values))));
    unsaved.saved();
  }, ['name', 'time_zone', 'tier', 'status']);
  const set = (change: Partial<typeof values>) => {
    setValues({ ...values, ...change });
    unsaved.touch();
  };
  return (
    <Panel title="Settings of the tenant">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Name"
          required
          value={values.name}
          onChange={({ target }) => set({ name: target.value })}
          error={form.errorOf('name')}
        />
        <TextField
          label="Time zone"
          required
          hint="Of the days and months of its quotas and budgets."
          value={values.time_zone}
          onChange={({ target }) => set({ time_zone: target.value })}
          error={form.errorOf('time_zone')}
        />
        {mayAssign && (
          <>
            <SelectField
              label="Tier"
              value={values.tier ?? ''}
              onChange={({ target }) => set({ tier: target.value === '' ? null : target.value })}
              options={[
                { value: '', label: 'none: no limits' },
                ...(tiers?.data ?? []).map(({ id, limits }) => ({
                  value: id,
                  label: `${id}: ${limits.map(limitText).join(', ')}`,
                })),
              ]}
              error={form.errorOf('tier')}
            />
            <SelectField
              label="Status"
              hint="Requests of a suspended tenant are rejected; its data is kept."
              value={values.status}
              onChange={({ target }) => set({ status: target.value })}
              options={['active', 'suspended'].map((value) => ({ value, label: value }))}
              error={form.errorOf('status')}
            />
          </>
        )}
        <FormEnd state={form} action="Save" what="The tenant was not changed" />
      </form>
      {dialog}
    </Panel>
  );
}

type Values = Pick<Tenant, 'name' | 'time_zone' | 'tier' | 'status'>;

const valuesOf = ({ name, time_zone, tier, status }: Values): Values => ({ name, time_zone, tier, status });
/** What the tenant's own administrators change. */
const ownValuesOf = ({ name, time_zone }: Values) => ({ name, time_zone });

function Removal({ path, tenant }: { readonly path: string; readonly tenant: Tenant }) {
  const { selectTenant } = useSession();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  return (
    <Panel title="Remove the tenant">
      <div className="flex flex-wrap gap-3 items-center">
        <p className="grow text-muted">With its people, keys, usage and audit trail.</p>
        <Button variant="danger" onClick={() => setAsking(true)}>
          Remove {tenant.name}
        </Button>
      </div>
      {isAsking && (
        <ConfirmDialog
          isOpen
          onClose={() => setAsking(false)}
          title={`Remove ${tenant.name}`}
          lost={<Lost path={path} />}
          name={tenant.id}
          action="Remove"
          onConfirm={async () => {
            await api.delete(path);
            selectTenant(undefined);
            await readOthersAgain(client, path);
          }}
        />
      )}
    </Panel>
  );
}

/** Says in numbers what is removed with a tenant. */
function Lost({ path }: { readonly path: string }) {
  const { data, error } = useQuery({
    queryKey: ['lost', path],
    queryFn: async ({ signal }) => {
      const query = { limit: MAX_COUNTED };
      const [keys, members, usage] = await Promise.all([
        api.get<ListPage<unknown>>(`${path}/keys`, { query, signal }),
        api.get<ListPage<unknown>>(`${path}/members`, { query, signal }),
        api.get<{ data: readonly { requests: number }[] }>(`${path}/usage`, { signal }),
      ]);
      return { keys, members, requests: usage.data[0]?.requests ?? 0 };
    },
  });
  const many = ({ data: rows, has_more: isMore }: ListPage<unknown>, one: string) =>
    `${isMore ? 'more than ' : ''}${count(rows.length, one)}`;
  return (
    <>
      {data && (
        <p>
          {many(data.keys, 'API key')}, {many(data.members, 'member')}, and the record of{' '}
          {count(data.requests, 'request')} of this month and all before.
        </p>
      )}
      {error && <p className="text-muted">What it has could not be counted: {error.message}</p>}
      <p>Its applications are rejected at once. It cannot be taken back.</p>
    </>
  );
}
