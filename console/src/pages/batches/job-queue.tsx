import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import { count, number, time } from '../../lib/format.ts';
import { usePaged } from '../../lib/paged.ts';
import { useSession } from '../../lib/session.tsx';
import { type FailedJob, type JobKind, READ_WORK_MS } from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Facts } from '../../ui/facts.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { JsonBlock } from './results.tsx';

const PATH = '/admin/v1/jobs';

const KINDS: Readonly<Record<string, string>> = {
  'batch.prepare': 'check the file of a batch',
  'batch.lines': 'run up to 100 lines of a batch',
  'batch.finish': 'write the results of a batch',
  async: 'run an async request',
};

const KIND_COLUMNS: readonly Column<JobKind>[] = [
  {
    ...{ id: 'kind', header: 'Kind', width: 'minmax(10rem, 1fr)' },
    cell: ({ kind }) => <code className="font-mono">{kind}</code>,
  },
  { id: 'what', header: 'What it does', cell: ({ kind }) => KINDS[kind] ?? '–', width: 'minmax(14rem, 2fr)' },
  { id: 'queued', header: 'Waiting', isNumber: true, cell: ({ queued }) => number(queued), width: '6rem' },
  { id: 'running', header: 'Running', isNumber: true, cell: ({ running }) => number(running), width: '6rem' },
  {
    ...{ id: 'failed', header: 'Failed', width: '6rem', isNumber: true },
    cell: ({ failed }) => (failed === 0 ? '0' : <Badge tone="bad">{number(failed)}</Badge>),
  },
  {
    ...{ id: 'oldest', header: 'Oldest waits since', width: '10rem' },
    cell: ({ oldest_due_at: at }) => <RelativeTime at={at} />,
  },
];

const FAILED_COLUMNS: readonly Column<FailedJob>[] = [
  { id: 'at', header: 'Failed', cell: ({ failed_at: at }) => <RelativeTime at={at} />, width: '8rem' },
  {
    ...{ id: 'kind', header: 'Kind', width: '9rem' },
    cell: ({ kind }) => <code className="font-mono">{kind}</code>,
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant, width: '8rem' },
  { id: 'attempts', header: 'Attempts', isNumber: true, cell: ({ attempts }) => attempts, width: '5.5rem' },
  { id: 'error', header: 'Error', cell: ({ error }) => error, width: 'minmax(16rem, 3fr)' },
];

/** The durable queue of all tenants: what waits, what runs, and what has failed for good. */
export function JobQueue() {
  const [opened, setOpened] = useState<FailedJob>();
  const kinds = useQuery({
    queryKey: ['job kinds'],
    queryFn: ({ signal }) => api.get<{ readonly data: readonly JobKind[] }>(PATH, { signal }),
    refetchInterval: READ_WORK_MS,
  });
  const failed = usePaged<FailedJob>(`${PATH}/failed`, {}, READ_WORK_MS);
  const rows = kinds.data?.data ?? [];
  return (
    <div className="flex flex-col gap-3">
      {kinds.error ? (
        <ErrorPanel
          what="The queue could not be read"
          error={kinds.error}
          retry={() => void kinds.refetch()}
        />
      ) : kinds.isLoading ? (
        <Skeleton className="h-32" />
      ) : rows.length === 0 ? (
        <Empty title="The queue is empty: nothing waits, runs or has failed. Batches and async requests fill it." />
      ) : (
        <DataTable label="Kinds of jobs" columns={KIND_COLUMNS} rows={rows} rowKey={({ kind }) => kind} />
      )}
      <Panel title="Jobs that failed for good">
        {failed.error ? (
          <ErrorPanel what="The failed jobs could not be read" error={failed.error} retry={failed.refetch} />
        ) : failed.isLoading ? (
          <Skeleton className="h-32" />
        ) : failed.rows.length === 0 ? (
          <p className="text-muted">None. One appears here when all its attempts have failed.</p>
        ) : (
          <DataTable
            label="Failed jobs"
            columns={FAILED_COLUMNS}
            rows={failed.rows}
            rowKey={({ id }) => id}
            onOpen={setOpened}
            onEnd={failed.more}
            isLoadingMore={failed.isLoadingMore}
            height="24rem"
          />
        )}
      </Panel>
      {opened && <OneJob job={opened} onClose={() => setOpened(undefined)} />}
    </div>
  );
}

function OneJob({ job, onClose }: { readonly job: FailedJob; readonly onClose: () => void }) {
  const { can } = useSession();
  const again = useForm(async () => {
    await api.post(`${pathOf(`${PATH}/failed`, job.id)}/retry`);
    onClose();
  });
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title={job.kind}
      description={<code className="font-mono break-all">{job.id}</code>}
    >
      <form onSubmit={again.onSubmit} className="flex flex-col gap-3">
        <Facts
          facts={[
            ['Tenant', job.tenant],
            ['Created', time(job.created_at)],
            ['Failed', time(job.failed_at)],
            ['After', count(job.attempts, 'attempt')],
          ]}
        />
        <p className="break-words">{job.error}</p>
        <JsonBlock title="What it works on" value={job.payload} />
        {again.error !== undefined && <ErrorPanel what="It does not run again" error={again.error} />}
        {can('platform:write') && (
          <div className="flex flex-wrap gap-3 items-center justify-end">
            <p className="text-muted grow">
              Its attempts begin again. Of a batch that has failed since, it does nothing.
            </p>
            <Button type="submit" variant="primary" isBusy={again.isBusy}>
              Run it again
            </Button>
          </div>
        )}
      </form>
    </Dialog>
  );
}
