import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { limitText, type Tenant, type Tier } from '../../lib/tenancy.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';

const COLUMNS: readonly Column<Tenant>[] = [
  { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(10rem, 2fr)' },
  { id: 'id', header: 'Id', cell: ({ id }) => <code className="font-mono">{id}</code> },
  {
    ...{ id: 'status', header: 'Status', width: '8rem' },
    cell: ({ status }) => <Badge tone={status === 'active' ? 'neutral' : 'warn'}>{status}</Badge>,
  },
  { id: 'tier', header: 'Tier', cell: ({ tier }) => tier ?? 'none', width: '8rem' },
  { id: 'limits', header: 'Own limits', cell: ({ limits }) => limits.map(limitText).join(', ') || '–' },
  { id: 'zone', header: 'Time zone', cell: ({ time_zone }) => time_zone },
  { id: 'created', header: 'Created', cell: ({ created_at }) => <RelativeTime at={created_at} /> },
];

/** All tenants, for those who may see them. */
export function TenantList({
  isCreating,
  onCreated,
}: {
  readonly isCreating: boolean;
  readonly onCreated: () => void;
}) {
  const { selectTenant } = useSession();
  const [text, setText] = useState('');
  const tenants = usePaged<Tenant>('/admin/v1/tenants', { search: text });
  return (
    <div className="flex flex-col gap-3">
      <TextField
        label="Find"
        placeholder="a part of the id or name"
        className="max-w-80"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      {tenants.error ? (
        <ErrorPanel what="The tenants could not be read" error={tenants.error} retry={tenants.refetch} />
      ) : tenants.isLoading ? (
        <Skeleton className="h-64" />
      ) : tenants.rows.length === 0 ? (
        <p className="text-muted">No tenant has this in its id or name.</p>
      ) : (
        <DataTable
          label="Tenants"
          columns={COLUMNS}
          rows={tenants.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => selectTenant(id)}
          onEnd={tenants.more}
          isLoadingMore={tenants.isLoadingMore}
        />
      )}
      {isCreating && <CreateTenant onClose={onCreated} />}
    </div>
  );
}

function CreateTenant({ onClose }: { readonly onClose: () => void }) {
  const { selectTenant } = useSession();
  const [id, setId] = useState('');
  const [name, setName] = useState('');
  const [tier, setTier] = useState<string>();
  const [zone, setZone] = useState(() => Intl.DateTimeFormat().resolvedOptions().timeZone);
  const { data: tiers } = useQuery({
    queryKey: ['tiers'],
    queryFn: () => api.get<{ data: readonly Tier[] }>('/admin/v1/tiers'),
  });
  const form = useForm(async () => {
    await api.post('/admin/v1/tenants', {
      id,
      ...(name === '' ? {} : { name }),
      ...(tier === undefined ? {} : { tier: tier === '' ? null : tier }),
      ...(zone === '' ? {} : { time_zone: zone }),
    });
    selectTenant(id);
    onClose();
  }, ['id', 'name', 'tier', 'time_zone']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Create a tenant"
      description="An organisation with people, keys, limits and a database of its own."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Id"
          required
          placeholder="acme"
          hint="Lower-case letters, digits and hyphens. It cannot be changed."
          value={id}
          onChange={({ target }) => setId(target.value)}
          error={form.errorOf('id')}
        />
        <TextField
          label="Name"
          placeholder="Acme Inc."
          value={name}
          onChange={({ target }) => setName(target.value)}
          error={form.errorOf('name')}
        />
        <SelectField
          label="Tier"
          value={tier ?? 'default'}
          onChange={({ target }) => setTier(target.value === 'default' ? undefined : target.value)}
          options={[
            { value: 'default', label: 'the default one' },
            { value: '', label: 'none: no limits' },
            ...(tiers?.data ?? []).map((one) => ({
              value: one.id,
              label: `${one.id}: ${one.limits.map(limitText).join(', ')}`,
            })),
          ]}
          error={form.errorOf('tier')}
        />
        <TextField
          label="Time zone"
          hint="Of the days and months of its quotas and budgets."
          value={zone}
          onChange={({ target }) => setZone(target.value)}
          error={form.errorOf('time_zone')}
        />
        <FormEnd state={form} action="Create" onCancel={onClose} what="The tenant was not created" />
      </form>
    </Dialog>
  );
}
