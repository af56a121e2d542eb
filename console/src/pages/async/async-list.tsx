import { duration, money } from '../../lib/format.ts';
import { exampleModel, useChatModels } from '../../lib/models.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import {
  ASYNC_STATUSES,
  ASYNC_TONES,
  asyncSnippet,
  type QueuedRequest,
  READ_WORK_MS,
  ranFor,
} from '../../lib/work.ts';
import { Snippet } from '../../ui/copy.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { AddedFilters, ChosenFilter, useFilters, WORK_FILTERS } from '../batches/work-filters.tsx';
import { AsyncDrawer } from './async-drawer.tsx';

const PATH = '/admin/v1/async-requests';

export function AsyncState({ request: { status } }: { readonly request: Pick<QueuedRequest, 'status'> }) {
  return <Badge tone={ASYNC_TONES[status]}>{status}</Badge>;
}

function Ran({ request }: { readonly request: QueuedRequest }) {
  const now = useNow(READ_WORK_MS);
  return <span>{duration(ranFor(request, now))}</span>;
}

const COLUMNS: readonly Column<QueuedRequest>[] = [
  { id: 'at', header: 'Queued', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '7.5rem' },
  { id: 'status', header: 'State', cell: (request) => <AsyncState request={request} />, width: '8.5rem' },
  { id: 'model', header: 'Model', cell: ({ model }) => model, width: 'minmax(9rem, 2fr)' },
  {
    ...{ id: 'endpoint', header: 'Endpoint', width: 'minmax(11rem, 1fr)' },
    cell: ({ endpoint }) => <code className="font-mono">{endpoint}</code>,
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant },
  { id: 'key', header: 'Key', cell: ({ key_name: name }) => name, width: 'minmax(7rem, 1fr)' },
  { id: 'user', header: 'Person', cell: ({ user }) => user ?? '–', isHidden: true },
  {
    ...{ id: 'time', header: 'Ran for', isNumber: true, width: '6.5rem' },
    cell: (request) => <Ran request={request} />,
  },
  { id: 'cost', header: 'Cost', isNumber: true, cell: ({ cost_usd: cost }) => money(cost), width: '7rem' },
  { id: 'error', header: 'Error', cell: ({ error }) => error ?? '–' },
  {
    ...{ id: 'expires', header: 'Expires', width: '8rem' },
    cell: ({ expires_at: at }) => <RelativeTime at={at} />,
  },
  {
    ...{ id: 'id', header: 'Id', isHidden: true, width: 'minmax(14rem, 1fr)' },
    cell: ({ id }) => <code className="font-mono">{id}</code>,
  },
];

/** The requests of a tenant, or of all, whose responses are collected later. */
export function AsyncList({ tenant }: { readonly tenant: string | undefined }) {
  const { me, can } = useSession();
  const [search, change] = usePageSearch();
  const { query, isFiltered } = useFilters(WORK_FILTERS.map(({ name }) => name));
  const state = search.state;
  const requests = usePaged<QueuedRequest>(PATH, { ...query, status: state, tenant }, READ_WORK_MS);
  const opened = useOpened(requests, PATH, search.async, 'filter');
  const { data: models } = useChatModels(tenant ?? '');
  const seesAll = can('requests:read', tenant) || me.platform_admin;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <ChosenFilter name="state" label="State" all="all states" options={ASYNC_STATUSES} />
        <AddedFilters filters={WORK_FILTERS} />
      </div>
      {!seesAll && <p className="text-muted">These are your own. Owners and administrators see all.</p>}
      {opened.problem}
      {requests.error ? (
        <ErrorPanel
          what="The async requests could not be read"
          error={requests.error}
          retry={requests.refetch}
        />
      ) : requests.isLoading ? (
        <Skeleton className="h-64" />
      ) : requests.rows.length === 0 ? (
        isFiltered || state !== undefined ? (
          <Empty title="No async request matches the filters." />
        ) : (
          <Empty title="There is no async request. One is stored, runs without an open connection, and keeps its response for a day.">
            <Snippet title="Queue one" code={asyncSnippet(location.origin, exampleModel(models))} />
          </Empty>
        )
      ) : (
        <DataTable
          label="Async requests"
          columns={tenant === undefined ? COLUMNS : COLUMNS.filter(({ id }) => id !== 'tenant')}
          rows={requests.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ async: id }, true)}
          onEnd={requests.more}
          isLoadingMore={requests.isLoadingMore}
        />
      )}
      {opened.row && (
        <AsyncDrawer
          key={opened.row.id}
          request={opened.row}
          onClose={() => change({ async: undefined }, true)}
        />
      )}
    </div>
  );
}
