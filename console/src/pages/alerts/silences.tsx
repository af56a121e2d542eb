import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { alertsPath, matchersText, type Silence } from '../../lib/alerts.ts';
import { api, pathOf } from '../../lib/api.ts';
import { time } from '../../lib/format.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

const LABELS = ['rule', 'kind', 'severity', 'subject', 'model', 'provider', 'key', 'tenant'] as const;
const HOURS = [1, 2, 4, 8, 24, 72, 168] as const;
const HOUR_MS = 3_600_000;

/** Silences of a tenant, or of the installation. */
export function Silences({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const client = useQueryClient();
  const [isCreating, setCreating] = useState(false);
  const [ending, setEnding] = useState<Silence>();
  const path = alertsPath(tenant, 'alert-silences');
  const silences = usePaged<Silence>(path);
  const mayWrite = tenant === undefined ? can('platform:write') : can('alerts:write', tenant);
  const columns: readonly Column<Silence>[] = [
    {
      ...{ id: 'state', header: 'State', width: '6rem' },
      cell: ({ is_active: isActive }) =>
        isActive ? <Badge tone="warn">active</Badge> : <Badge>ended</Badge>,
    },
    {
      ...{ id: 'matchers', header: 'Alerts', width: 'minmax(14rem, 2fr)' },
      cell: ({ matchers }) => <code className="font-mono">{matchersText(matchers)}</code>,
    },
    { id: 'comment', header: 'Why', cell: ({ comment }) => comment, width: 'minmax(12rem, 2fr)' },
    { id: 'who', header: 'Who', cell: ({ created_by_name: name }) => name, width: '10rem' },
    { id: 'until', header: 'Until', cell: ({ ends_at: at }) => time(at), width: '11rem' },
  ];
  const create = mayWrite && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Silence alerts
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-center">
        <p className="text-muted grow">Silenced alerts go on, but send no messages until the silence ends.</p>
        {silences.rows.length > 0 && create}
      </div>
      {silences.error ? (
        <ErrorPanel what="The silences could not be read" error={silences.error} retry={silences.refetch} />
      ) : silences.isLoading ? (
        <Skeleton className="h-48" />
      ) : silences.rows.length === 0 ? (
        <Empty title="Nothing is silenced." action={create} />
      ) : (
        <DataTable
          label="Silences"
          columns={columns}
          rows={silences.rows}
          rowKey={({ id }) => id}
          onOpen={(silence) => mayWrite && silence.is_active && setEnding(silence)}
          onEnd={silences.more}
          isLoadingMore={silences.isLoadingMore}
        />
      )}
      {isCreating && <CreateSilence tenant={tenant} first={[]} onClose={() => setCreating(false)} />}
      <ConfirmDialog
        isOpen={ending !== undefined}
        onClose={() => setEnding(undefined)}
        title="End the silence"
        lost={`Alerts with ${matchersText(ending?.matchers ?? [])} that still fire send messages again.`}
        action="End it now"
        isDanger={false}
        onConfirm={async () => {
          if (ending) await api.delete(pathOf(path, ending.id));
          await client.invalidateQueries();
        }}
      />
    </div>
  );
}

/** Creates a silence. @param first matchers to begin with */
export function CreateSilence({
  tenant,
  first,
  onClose,
}: {
  readonly tenant: string | undefined;
  readonly first: Silence['matchers'];
  readonly onClose: () => void;
}) {
  const [matchers, setMatchers] = useState<Silence['matchers']>(
    first.length > 0 ? first : [{ label: 'rule', value: '', not: false }],
  );
  const [hours, setHours] = useState('2');
  const [comment, setComment] = useState('');
  const form = useForm(async () => {
    const starts = Date.now();
    await api.post(alertsPath(tenant, 'alert-silences'), {
      ...{ matchers: matchers.filter(({ value }) => value !== ''), comment },
      ends_at: new Date(starts + Number(hours) * HOUR_MS).toISOString(),
    });
    onClose();
  }, ['comment']);
  const edit = (at: number, change: Partial<Silence['matchers'][number]>) =>
    setMatchers(matchers.map((matcher, index) => (index === at ? { ...matcher, ...change } : matcher)));
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Silence alerts"
      description="Alerts that match all of these send no messages. * stands for any characters."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        {matchers.map((matcher, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: matchers have no identity but their place
          <div key={index} className="grid grid-cols-[1fr_1fr_2fr] gap-2">
            <SelectField
              label="Label"
              options={LABELS.map((value) => ({ value, label: value }))}
              value={matcher.label}
              onChange={({ target }) => edit(index, { label: target.value })}
            />
            <SelectField
              label="Is"
              options={[
                { value: 'is', label: 'is' },
                { value: 'not', label: 'is not' },
              ]}
              value={matcher.not ? 'not' : 'is'}
              onChange={({ target }) => edit(index, { not: target.value === 'not' })}
            />
            <TextField
              label="Value"
              value={matcher.value}
              onChange={({ target }) => edit(index, { value: target.value })}
            />
          </div>
        ))}
        <Button
          className="self-start"
          onClick={() => setMatchers([...matchers, { label: 'subject', value: '', not: false }])}
        >
          Add a label
        </Button>
        <SelectField
          label="For"
          options={HOURS.map((value) => ({
            value: String(value),
            label: value === 1 ? '1 hour' : `${value} hours`,
          }))}
          value={hours}
          onChange={({ target }) => setHours(target.value)}
        />
        <TextField
          label="Why"
          hint="The audit trail keeps it, with your name."
          required
          value={comment}
          error={form.errorOf('comment')}
          onChange={({ target }) => setComment(target.value)}
        />
        <FormEnd state={form} action="Silence" onCancel={onClose} what="The silence was not created" />
      </form>
    </Dialog>
  );
}
