import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { api } from '../../lib/api.ts';
import { type DurableEvent, type EventType, useEventStream } from '../../lib/event-stream.ts';
import { time } from '../../lib/format.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { CopyButton, Snippet } from '../../ui/copy.tsx';
import { Dialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';

const COLUMNS: readonly Column<DurableEvent>[] = [
  { id: 'at', header: 'When', cell: ({ timestamp }) => <RelativeTime at={timestamp} />, width: '8rem' },
  {
    ...{ id: 'type', header: 'Type', width: 'minmax(14rem, 1fr)' },
    cell: ({ type, test }) => (
      <>
        <code className="font-mono">{type}</code> {test && <Badge>test</Badge>}
      </>
    ),
  },
  { id: 'subject', header: 'About', cell: ({ subject }) => subject, width: 'minmax(14rem, 2fr)' },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant ?? 'the installation' },
  { id: 'actor', header: 'By', cell: ({ actor }) => actor },
];
/** Events that were followed and are shown; the list has the earlier ones. */
const MAX_FOLLOWED = 500;

export function useEventTypes() {
  return useQuery({
    queryKey: ['event types'],
    queryFn: ({ signal }) => api.get<{ data: readonly EventType[] }>('/admin/v1/events/types', { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    select: ({ data }) => data,
  });
}

/** The durable events of a tenant, or of the installation with all tenants. */
export function EventLog({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isFollowing, setFollowing] = useState(false);
  const [isTesting, setTesting] = useState(false);
  const [id, setId] = useState('');
  const [followed, setFollowed] = useState<readonly DurableEvent[]>([]);
  const path = tenant === undefined ? '/admin/v1/events' : `/admin/v1/tenants/${tenant}/events`;
  const { data: types } = useEventTypes();
  const names = useMemo(() => types?.map(({ type }) => type) ?? [], [types]);
  const add = useCallback(
    (event: DurableEvent) => setFollowed((all) => [event, ...all].slice(0, MAX_FOLLOWED)),
    [],
  );
  const isOpen = useEventStream(isFollowing ? `${path}/stream` : undefined, names, add);
  const events = usePaged<DurableEvent>(path, { type: search.type });
  const known = new Set(events.rows.map((event) => event.id));
  const recent = followed.filter((event) => !known.has(event.id));
  const rows = [
    ...recent.filter(({ type }) => search.type === undefined || type === search.type),
    ...events.rows,
  ];
  const opened = useOpened({ rows, isLoading: events.isLoading }, path, search.event, 'filter');
  const test = can('webhooks:write', tenant) && (
    <Button onClick={() => setTesting(true)}>Trigger a test event</Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <SelectField
          label="Type"
          options={[
            { value: '', label: 'all types' },
            ...names.map((name) => ({ value: name, label: name })),
          ]}
          value={search.type ?? ''}
          onChange={({ target }) => change({ type: target.value === '' ? undefined : target.value }, true)}
        />
        <form
          className="flex gap-2 items-end"
          onSubmit={(event) => {
            event.preventDefault();
            if (id.trim() !== '') change({ event: id.trim() }, true);
          }}
        >
          <TextField
            label="Open by id"
            placeholder="evt_..."
            className="font-mono"
            value={id}
            onChange={({ target }) => setId(target.value)}
          />
          <Button type="submit">Open</Button>
        </form>
        <span className="grow" />
        {isFollowing && !isOpen && <Badge tone="warn">connecting</Badge>}
        <Button onClick={() => setFollowing(!isFollowing)} aria-pressed={isFollowing}>
          {isFollowing ? 'Pause' : 'Follow'}
        </Button>
        {test}
      </div>
      {opened.problem}
      {events.error ? (
        <ErrorPanel what="The events could not be read" error={events.error} retry={events.refetch} />
      ) : events.isLoading ? (
        <Skeleton className="h-64" />
      ) : rows.length === 0 ? (
        <Empty
          title={
            search.type === undefined
              ? 'No event is stored yet. Changes of keys and budgets make some; Follow shows them as they happen.'
              : 'No event of this type is stored. Choose another type.'
          }
        >
          {tenant !== undefined && (
            <Snippet
              title="Receive events on your own machine"
              code={`npm run weir -- listen --tenant ${tenant} --forward-to http://127.0.0.1:3000/hooks`}
            />
          )}
        </Empty>
      ) : (
        <DataTable
          label="Event log"
          columns={tenant === undefined ? COLUMNS : COLUMNS.filter(({ id: column }) => column !== 'tenant')}
          rows={rows}
          rowKey={(event) => event.id}
          onOpen={(event) => change({ event: event.id }, true)}
          onEnd={events.more}
          isLoadingMore={events.isLoadingMore}
        />
      )}
      {opened.row && (
        <EventDrawer
          event={opened.row}
          summary={types?.find(({ type }) => type === opened.row?.type)?.summary}
          onClose={() => change({ event: undefined }, true)}
        />
      )}
      {isTesting && types && (
        <TriggerDialog path={path} types={types} initial={search.type} onClose={() => setTesting(false)} />
      )}
    </div>
  );
}

function EventDrawer({
  event,
  summary,
  onClose,
}: {
  readonly event: DurableEvent;
  readonly summary: string | undefined;
  readonly onClose: () => void;
}) {
  const payload = JSON.stringify(event, undefined, 2);
  const { request_ids: ids } = event.data;
  // Those of example data do not exist.
  const requests = Array.isArray(ids) && !event.test ? ids.map(String) : [];
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={event.type}
      description={`${summary ?? 'An event of a newer version.'} ${time(event.timestamp)}`}
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 mb-3">
        {(['id', 'subject', 'tenant', 'actor', 'request_id'] as const).map((name) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name.replace('_', ' ')}</dt>
            <dd className="font-mono break-all">{event[name] ?? '–'}</dd>
          </div>
        ))}
        {requests.length > 0 && (
          <>
            <dt className="text-muted">requests</dt>
            <dd className="font-mono break-all flex flex-col items-start">
              {requests.map((id) => (
                <Link
                  key={id}
                  to="/requests"
                  search={{ request: id, of: event.tenant ?? undefined }}
                  className="underline"
                >
                  {id}
                </Link>
              ))}
            </dd>
          </>
        )}
      </dl>
      {event.test && <p className="mb-3">A person triggered it to test receivers. Its data is an example.</p>}
      <figure className="rounded border border-line bg-panel">
        <figcaption className="flex items-center justify-between border-b border-line pl-3 pr-1 text-muted">
          As webhooks receive it <CopyButton text={payload} />
        </figcaption>
        <pre className="font-mono whitespace-pre-wrap break-all p-3">{payload}</pre>
      </figure>
    </Drawer>
  );
}

function TriggerDialog({
  path,
  types,
  initial,
  onClose,
}: {
  readonly path: string;
  readonly types: readonly EventType[];
  readonly initial: string | undefined;
  readonly onClose: () => void;
}) {
  const [type, setType] = useState(initial ?? types[0]?.type ?? '');
  const chosen = types.find((one) => one.type === type);
  const form = useForm(async () => {
    await api.post(`${path}/trigger`, { type });
    onClose();
  }, ['type']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Trigger a test event"
      description="It is stored with example data and marked as a test. Webhooks and streams receive it."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <SelectField
          label="Type"
          hint={chosen?.summary}
          options={types.map((one) => ({ value: one.type, label: one.type }))}
          value={type}
          onChange={({ target }) => setType(target.value)}
          error={form.errorOf('type')}
        />
        <pre
          tabIndex={0}
          className="font-mono whitespace-pre-wrap break-all rounded border border-line bg-bg p-3 max-h-64 overflow-auto"
        >
          {JSON.stringify(chosen?.example, undefined, 2)}
        </pre>
        <FormEnd state={form} action="Trigger" onCancel={onClose} what="The event was not stored" />
      </form>
    </Dialog>
  );
}
