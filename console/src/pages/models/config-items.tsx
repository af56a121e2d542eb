import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { readOthersAgain } from '../../lib/removed.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { type ConfigItem, type ConfigSection, targetsOf } from './config-item.ts';
import { ImpactText } from './impact.tsx';
import { ModelForm } from './model-form.tsx';
import { ProviderForm } from './provider-form.tsx';

const SOURCES: Readonly<Record<ConfigItem['source'], string>> = {
  file: 'file',
  environment: 'environment',
  admin: 'console',
  'built-in': 'built in',
};

const source = ({ source: from, replaces_file: replaces, removed }: ConfigItem) =>
  removed ? <Badge tone="warn">left out</Badge> : `${SOURCES[from]}${replaces ? ', replaces the file' : ''}`;

const ID: Column<ConfigItem> = {
  ...{ id: 'id', header: 'Id', width: 'minmax(10rem, 1fr)' },
  cell: ({ id }) => <code className="font-mono">{id}</code>,
};
const REST: readonly Column<ConfigItem>[] = [
  { id: 'source', header: 'From', cell: source },
  { id: 'changed', header: 'Changed', cell: ({ updated_at: at }) => <RelativeTime at={at} /> },
];
const COLUMNS: Readonly<Record<ConfigSection, readonly Column<ConfigItem>[]>> = {
  providers: [
    ID,
    { id: 'kind', header: 'Kind', cell: ({ kind }) => kind },
    { id: 'url', header: 'Address', cell: ({ base_url: url }) => url ?? '–', width: 'minmax(12rem, 2fr)' },
    ...REST,
  ],
  models: [
    ID,
    {
      ...{ id: 'targets', header: 'Targets', width: 'minmax(14rem, 3fr)' },
      cell: ({ document }) =>
        targetsOf(document)
          .map(({ provider, model }) => `${provider}/${model}`)
          .join(', ') || '–',
    },
    ...REST,
  ],
};

/** Providers or models of the configuration, wherever they come from. */
export function ConfigItems({ section }: { readonly section: ConfigSection }) {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isAdding, setAdding] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: ['config', section],
    queryFn: () => api.get<{ data: readonly ConfigItem[] }>(`/admin/v1/${section}`),
  });
  const word = section === 'providers' ? 'provider' : 'model';
  const mayChange = can('platform:write');
  const opened = data?.data.find(({ id }) => id === search.item);
  const close = () => {
    setAdding(false);
    change({ item: undefined }, true);
  };
  return (
    <div className="flex flex-col gap-3">
      {mayChange && (
        <Button variant="primary" className="self-end" onClick={() => setAdding(true)}>
          Add a {word}
        </Button>
      )}
      {error ? (
        <ErrorPanel what={`The ${section} could not be read`} error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-64" />
      ) : (
        <DataTable
          label={section}
          columns={COLUMNS[section]}
          rows={data.data}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ item: id }, true)}
        />
      )}
      {(opened || isAdding) && (
        <Drawer
          isOpen
          onClose={close}
          title={opened ? opened.id : `Add a ${word}`}
          description={opened ? `From: ${SOURCES[opened.source]}` : 'Active at once, on every gateway.'}
        >
          {opened ? (
            <EditItem key={opened.id} section={section} id={opened.id} mayChange={mayChange} onDone={close} />
          ) : section === 'providers' ? (
            <ProviderForm base={undefined} mayChange onDone={close} />
          ) : (
            <ModelForm base={undefined} mayChange onDone={close} />
          )}
          {opened && mayChange && opened.source !== 'environment' && opened.source !== 'built-in' && (
            <Remove section={section} item={opened} onDone={close} />
          )}
        </Drawer>
      )}
    </div>
  );
}

/** Reads the item as it is now: what the list shows may be older, and has no version. */
function EditItem({
  section,
  id,
  mayChange,
  onDone,
}: {
  readonly section: ConfigSection;
  readonly id: string;
  readonly mayChange: boolean;
  readonly onDone: () => void;
}) {
  const path = `/admin/v1/${section}/${encodeURIComponent(id)}`;
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<ConfigItem>('GET', path, { signal }),
  });
  if (error)
    return <ErrorPanel what={`${id} could not be read`} error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-64" />;
  const Form = section === 'providers' ? ProviderForm : ModelForm;
  return <Form base={data} mayChange={mayChange} onDone={onDone} />;
}

function Remove({
  section,
  item,
  onDone,
}: {
  readonly section: ConfigSection;
  readonly item: ConfigItem;
  readonly onDone: () => void;
}) {
  const client = useQueryClient();
  const [wanted, setWanted] = useState<'remove' | 'reset'>();
  const path = `/admin/v1/${section}/${encodeURIComponent(item.id)}`;
  const run = async () => {
    if (wanted === 'reset') await api.post(`${path}/reset`);
    else await api.delete(path);
    onDone();
    await readOthersAgain(client, path);
  };
  return (
    <div className="flex gap-2 mt-4">
      {(item.replaces_file || item.removed) && (
        <Button onClick={() => setWanted('reset')}>Use the file’s again</Button>
      )}
      {!item.removed && (
        <Button variant="danger" onClick={() => setWanted('remove')}>
          Remove
        </Button>
      )}
      <ConfirmDialog
        isOpen={wanted !== undefined}
        onClose={() => setWanted(undefined)}
        title={wanted === 'reset' ? `Use ${item.id} of the file` : `Remove ${item.id}`}
        lost={
          <>
            <p>
              {wanted === 'reset'
                ? 'What was changed here is no longer used.'
                : 'Requests for it fail from now on. Settings shows the change, and can take it back.'}
            </p>
            <ImpactText section={section} id={item.id} />
          </>
        }
        action={wanted === 'reset' ? 'Use the file’s' : 'Remove'}
        onConfirm={run}
        {...(wanted === 'remove' ? { name: item.id } : {})}
      />
    </div>
  );
}
