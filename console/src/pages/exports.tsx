import { useQuery } from '@tanstack/react-query';
import { api, pathOf } from '../lib/api.ts';
import { type AnyExport, EXPORTS, SOURCES, TYPES } from '../lib/exports.ts';
import { number } from '../lib/format.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Snippet } from '../ui/copy.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { RelativeTime } from '../ui/time.tsx';
import { ExportDrawer } from './exports/export-drawer.tsx';
import { ExportState } from './exports/export-state.tsx';

const REFETCH_MS = 10_000;
const EXAMPLE = `exports:
  - { id: lake, type: files, to: "s3://acme-usage/weir", every: 5m }
  - { id: finance, type: http, url: "https://finance.example.com/usage", tenants: [acme] }`;

const COLUMNS: readonly Column<AnyExport>[] = [
  { id: 'id', header: 'Export', cell: ({ id }) => id, width: 'minmax(8rem, 1fr)' },
  { id: 'state', header: 'State', cell: ({ state }) => <ExportState state={state} />, width: '6.5rem' },
  { id: 'source', header: 'Sends', cell: ({ source }) => SOURCES[source], width: '9rem' },
  {
    ...{ id: 'to', header: 'To', width: 'minmax(12rem, 2fr)' },
    cell: ({ type, destination }) => `${TYPES[type]}, ${destination}`,
  },
  {
    ...{ id: 'waiting', header: 'Waiting', width: '7rem', isNumber: true },
    cell: ({ waiting }) => `${number(waiting.records)}${waiting.more ? '+' : ''}`,
  },
  {
    ...{ id: 'lag', header: 'Oldest waiting', width: '9rem' },
    cell: ({ waiting }) => <RelativeTime at={waiting.oldest_at} />,
  },
  { id: 'sent', header: 'Sent', cell: ({ sent }) => number(sent), width: '7rem', isNumber: true },
  {
    ...{ id: 'success', header: 'Last success', width: '9rem' },
    cell: ({ last_sent_at }) => <RelativeTime at={last_sent_at} />,
  },
  {
    ...{ id: 'error', header: 'Last error', width: 'minmax(10rem, 2fr)' },
    cell: ({ last_error }) => last_error?.message ?? '–',
  },
];

/** Which other systems get usage and logged requests, and how far behind they are. */
export default function ExportsPage() {
  const { tenant, can } = useSession();
  const isAllowed = tenant === undefined ? can('platform:read') : can('events:read', tenant);
  return (
    <Page
      title="Exports"
      purpose={`Which other systems get usage and logged requests of ${tenant ?? 'the installation'}.`}
    >
      {isAllowed ? (
        <ExportList key={tenant} tenant={tenant} />
      ) : (
        <Empty title="Your role does not read exports. Owners and administrators do." />
      )}
    </Page>
  );
}

function ExportList({ tenant }: { readonly tenant: string | undefined }) {
  const [search, change] = usePageSearch();
  const path = tenant === undefined ? EXPORTS : `${pathOf('/admin/v1/tenants', tenant)}/exports`;
  const { data, error, refetch } = useQuery({
    queryKey: ['list', path],
    queryFn: ({ signal }) => api.get<{ readonly data: readonly AnyExport[] }>(path, { signal }),
    refetchInterval: REFETCH_MS,
  });
  if (error)
    return <ErrorPanel what="The exports could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-48" />;
  const opened = data.data.find(({ id }) => id === search.export);
  if (data.data.length === 0) {
    return (
      <Empty
        title={
          tenant === undefined
            ? 'No export is configured. Add one to the configuration file: it takes effect without a restart.'
            : 'No export sends records of this tenant. Operators add them to the configuration.'
        }
      >
        {tenant === undefined && <Snippet title="weir.yaml" code={EXAMPLE} />}
      </Empty>
    );
  }
  return (
    <>
      <DataTable
        label="Exports"
        columns={COLUMNS}
        rows={data.data}
        rowKey={({ id }) => id}
        onOpen={({ id }) => change({ export: id }, true)}
      />
      {opened && (
        <ExportDrawer
          key={opened.id}
          tenant={tenant}
          opened={opened}
          onClose={() => change({ export: undefined }, true)}
        />
      )}
    </>
  );
}
