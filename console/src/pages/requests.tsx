import { type FormEvent, useCallback, useMemo, useRef, useState } from 'react';
import { duration, money, number } from '../lib/format.ts';
import { useLive } from '../lib/live.ts';
import { usePaged } from '../lib/paged.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Button } from '../ui/button.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { RangePicker, useRange } from '../ui/range-picker.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { RelativeTime } from '../ui/time.tsx';
import { RequestDrawer } from './requests/request-drawer.tsx';
import type { RequestRow } from './requests/request-types.ts';
import { StatusBadge } from './requests/status-badge.tsx';

const FILTERS = [
  { name: 'model', label: 'Model' },
  { name: 'status', label: 'Status', hint: '429 or 5xx' },
  { name: 'error', label: 'Error code' },
  { name: 'provider', label: 'Provider' },
  { name: 'key', label: 'Key id' },
  { name: 'user', label: 'Person id' },
  { name: 'tag', label: 'Tag' },
  { name: 'min_cost', label: 'Cost at least ($)' },
  { name: 'min_duration_ms', label: 'Time at least (ms)' },
] as const;

const COLUMNS: readonly Column<RequestRow>[] = [
  { id: 'at', header: 'When', cell: ({ at }) => <RelativeTime at={at} />, width: '7.5rem' },
  {
    ...{ id: 'status', header: 'Status', width: '8rem' },
    cell: ({ status, outcome }) => <StatusBadge status={status} outcome={outcome} />,
  },
  { id: 'model', header: 'Model', cell: ({ model }) => model, width: 'minmax(9rem, 2fr)' },
  {
    ...{ id: 'target', header: 'Target', width: 'minmax(9rem, 2fr)' },
    cell: ({ provider, upstream_model: upstream }) => (provider === null ? '–' : `${provider}/${upstream}`),
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant },
  { id: 'key', header: 'Key', cell: ({ key }) => <code className="font-mono">{key}</code>, isHidden: true },
  { id: 'user', header: 'Person', cell: ({ user }) => user ?? '–', isHidden: true },
  { id: 'time', header: 'Time', isNumber: true, cell: (row) => duration(row.duration_ms), width: '6rem' },
  {
    ...{ id: 'first', header: 'First token', isNumber: true, width: '6.5rem' },
    cell: (row) => duration(row.first_event_ms),
  },
  { id: 'input', header: 'Input', isNumber: true, cell: (row) => number(row.input_tokens), width: '5.5rem' },
  {
    id: 'output',
    header: 'Output',
    isNumber: true,
    cell: (row) => number(row.output_tokens),
    width: '5.5rem',
  },
  {
    id: 'cost',
    header: 'Cost',
    isNumber: true,
    cell: (row) => money(row.cost, row.estimated),
    width: '8.5rem',
  },
  {
    id: 'attempts',
    header: 'Attempts',
    isNumber: true,
    cell: (row) => number(row.attempts),
    width: '5.5rem',
  },
  { id: 'error', header: 'Error', cell: ({ error }) => error ?? '–' },
  { id: 'tags', header: 'Tags', cell: ({ tags }) => tags.join(', ') || '–', isHidden: true },
  { id: 'id', header: 'Id', cell: ({ id }) => <code className="font-mono">{id}</code>, isHidden: true },
];
const LIVE_MS = 2_000;

/** Finds requests, and shows why one of them was slow, dear or rejected. */
export default function RequestsPage() {
  const { tenant } = useSession();
  const [search, change] = usePageSearch();
  const range = useRange();
  const [isLive, setLive] = useState(false);
  const [id, setId] = useState('');
  const isFixed = search.from !== undefined;
  const query = useMemo(
    () => ({
      ...Object.fromEntries(FILTERS.map(({ name }) => [name, search[name]])),
      tenant: tenant ?? search.tenant,
      from: new Date(range.from).toISOString(),
      ...(isFixed ? { to: new Date(range.to).toISOString() } : {}),
    }),
    [search, tenant, range.from, range.to, isFixed],
  );
  const requests = usePaged<RequestRow>('/admin/v1/requests', query);
  const { refetch } = requests;
  const lastRead = useRef(0);
  const readAgain = useCallback(() => {
    // Stored within a second or two; and no more often than a reader can follow.
    if (Date.now() - lastRead.current < LIVE_MS) return;
    lastRead.current = Date.now();
    setTimeout(refetch, LIVE_MS);
  }, [refetch]);
  useLive(isLive, tenant, readAgain);
  const open = (event: FormEvent) => {
    event.preventDefault();
    if (id.trim() !== '') change({ request: id.trim() }, true);
  };
  const active = FILTERS.filter(({ name }) => search[name] !== undefined);
  return (
    <Page
      title="Requests"
      purpose="Every request, with where its time and its money went."
      actions={
        <>
          <Button onClick={() => setLive(!isLive)} aria-pressed={isLive}>
            {isLive ? 'Pause' : 'Follow'}
          </Button>
          <RangePicker />
        </>
      }
    >
      <div className="flex flex-wrap gap-3 items-end">
        <form onSubmit={open} className="flex gap-2 items-end">
          <TextField
            label="Open by id"
            placeholder="req_..."
            value={id}
            onChange={({ target }) => setId(target.value)}
            className="font-mono"
          />
          <Button type="submit">Open</Button>
        </form>
        <Filters key={active.map(({ name }) => `${name}=${search[name]}`).join('&')} />
      </div>
      {requests.error ? (
        <ErrorPanel what="The requests could not be read" error={requests.error} retry={requests.refetch} />
      ) : requests.isLoading ? (
        <Skeleton className="h-96" />
      ) : requests.rows.length === 0 ? (
        <Empty
          title={
            active.length > 0
              ? 'No request in this range matches the filters.'
              : 'No request in this range. Follow shows the first one when it arrives.'
          }
        />
      ) : (
        <DataTable
          label="Requests"
          columns={COLUMNS}
          rows={requests.rows}
          rowKey={(row) => `${row.tenant} ${row.id} ${row.at}`}
          onOpen={(row) => change({ request: row.id, of: row.tenant }, true)}
          onEnd={requests.more}
          isLoadingMore={requests.isLoadingMore}
        />
      )}
      {search.request !== undefined && (
        <RequestDrawer
          id={search.request}
          tenant={search.of ?? tenant}
          onClose={() => change({ request: undefined, of: undefined }, true)}
        />
      )}
    </Page>
  );
}

/** Filters as chips of the URL, and a form to add one. */
function Filters() {
  const [search, change] = usePageSearch();
  const [name, setName] = useState<string>('model');
  const [value, setValue] = useState('');
  const add = (event: FormEvent) => {
    event.preventDefault();
    if (value.trim() !== '') change({ [name]: value.trim() }, true);
  };
  const chosen = FILTERS.find((one) => one.name === name);
  return (
    <>
      <form onSubmit={add} className="flex gap-2 items-end">
        <label className="flex flex-col gap-1">
          <span className="font-medium">Filter</span>
          <select
            className="rounded border border-line bg-panel h-8 px-2"
            value={name}
            onChange={({ target }) => setName(target.value)}
          >
            {FILTERS.map((one) => (
              <option key={one.name} value={one.name}>
                {one.label}
              </option>
            ))}
          </select>
        </label>
        <TextField
          label="is"
          placeholder={chosen && 'hint' in chosen ? chosen.hint : ''}
          value={value}
          onChange={({ target }) => setValue(target.value)}
        />
        <Button type="submit">Add</Button>
      </form>
      {FILTERS.filter((one) => search[one.name] !== undefined).map((one) => (
        <Button
          key={one.name}
          aria-label={`Remove the filter ${one.label} ${search[one.name]}`}
          onClick={() => change({ [one.name]: undefined }, true)}
        >
          {one.label}: {search[one.name]} ✕
        </Button>
      ))}
    </>
  );
}
