import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import {
  type AnyExport,
  EXPORTS,
  type ExportTest,
  SOURCES,
  type TenantExport,
  TYPES,
} from '../../lib/exports.ts';
import { count, number, time } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Drawer } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { ExportState } from './export-state.tsx';

const TENANTS_SHOWN = 200;

interface DrawerProps {
  readonly tenant: string | undefined;
  readonly opened: AnyExport;
  readonly onClose: () => void;
}

/** One export: its progress, of each tenant too, and what an operator can do. */
export function ExportDrawer({ tenant, opened, onClose }: DrawerProps) {
  const { can } = useSession();
  const { source, type, destination, waiting, last_error: failed } = opened;
  const orNone = (at: string | null) => (at === null ? '–' : time(at));
  const facts: readonly (readonly [string, string])[] = [
    ['Sends', SOURCES[source]],
    ['To', `${TYPES[type]}, ${destination}`],
    ...('tenants' in opened
      ? [
          ['Tenants', opened.tenants.length === 0 ? 'all' : opened.tenants.join(', ')] as const,
          ['Since', orNone(opened.started_at)] as const,
        ]
      : [['Next attempt', orNone(opened.next_attempt_at)] as const]),
    ['Waiting', `${count(waiting.records, 'record')}${waiting.more ? ' or more' : ''}`],
    ['Oldest waiting', orNone(waiting.oldest_at)],
    ['Sent', number(opened.sent)],
    ['Never accepted', number(opened.dropped)],
    ['Last success', orNone(opened.last_sent_at)],
  ];
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={opened.id}
      description={`Export of ${SOURCES[source].toLowerCase()}`}
    >
      <div className="flex flex-col gap-3">
        <p>
          <ExportState state={opened.state} />
        </p>
        {failed !== null && (
          <p className="text-bad break-words">
            {failed.message} ({failed.tenant !== '' && `tenant ${failed.tenant}, `}
            <RelativeTime at={failed.at} />)
          </p>
        )}
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
          {facts.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="break-words">{value}</dd>
            </div>
          ))}
        </dl>
        {tenant === undefined && can('platform:write') && <Actions opened={opened} />}
        {tenant === undefined && <Tenants id={opened.id} />}
      </div>
    </Drawer>
  );
}

function Actions({ opened }: { readonly opened: AnyExport }) {
  const [result, setResult] = useState<ExportTest>();
  const path = pathOf(EXPORTS, opened.id);
  const isPaused = opened.state === 'paused';
  const tested = useForm(async () => setResult(await api.post(`${path}/test`)));
  const toggled = useForm(async () => {
    await api.post(`${path}/${isPaused ? 'resume' : 'pause'}`);
  });
  const error = tested.error ?? toggled.error;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap gap-2">
        <form onSubmit={tested.onSubmit}>
          <Button type="submit" isBusy={tested.isBusy}>
            Send a test
          </Button>
        </form>
        <form onSubmit={toggled.onSubmit}>
          <Button type="submit" isBusy={toggled.isBusy}>
            {isPaused ? 'Resume' : 'Pause'}
          </Button>
        </form>
      </div>
      {result && (
        <p role="status" className="break-words">
          {result.delivered
            ? `The receiver took the test record in ${number(result.duration_ms)} ms.`
            : `The receiver did not take the test record: ${result.error}.`}
          {result.detail !== null && ` Its response: ${result.detail}`}
        </p>
      )}
      {error !== undefined && <ErrorPanel what="It did not work" error={error} />}
    </div>
  );
}

const COLUMNS: readonly Column<TenantExport>[] = [
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant, width: 'minmax(7rem, 1fr)' },
  { id: 'state', header: 'State', cell: ({ state }) => <ExportState state={state} />, width: '6.5rem' },
  {
    ...{ id: 'waiting', header: 'Waiting', width: '6rem', isNumber: true },
    cell: ({ waiting }) => `${number(waiting.records)}${waiting.more ? '+' : ''}`,
  },
  { id: 'sent', header: 'Sent', cell: ({ sent }) => number(sent), width: '6rem', isNumber: true },
  {
    ...{ id: 'error', header: 'Last error', width: 'minmax(8rem, 2fr)' },
    cell: ({ last_error }) => last_error?.message ?? '–',
  },
];

function Tenants({ id }: { readonly id: string }) {
  const path = `${pathOf(EXPORTS, id)}/tenants`;
  const { data, error, refetch } = useQuery({
    queryKey: ['list', path],
    queryFn: ({ signal }) =>
      api.get<{ readonly data: readonly TenantExport[]; readonly has_more: boolean }>(path, {
        ...{ signal, query: { limit: TENANTS_SHOWN } },
      }),
  });
  return (
    <section className="flex flex-col gap-2">
      <h3 className="font-semibold">By tenant</h3>
      {error ? (
        <ErrorPanel what="The tenants could not be read" error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-24" />
      ) : data.data.length === 0 ? (
        <Empty title="No tenant of this region is exported." />
      ) : (
        <>
          <DataTable
            label="Tenants of the export"
            columns={COLUMNS}
            rows={data.data}
            rowKey={({ tenant }) => tenant}
            height="20rem"
          />
          {data.has_more && <p className="text-muted">The first {TENANTS_SHOWN} tenants are shown.</p>}
        </>
      )}
    </section>
  );
}
