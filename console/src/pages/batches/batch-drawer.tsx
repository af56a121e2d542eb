import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { count, duration, money, number, time } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import {
  type Batch,
  type BatchDetails,
  hasEnded,
  isOwn,
  type LineError,
  READ_RUNNING_MS,
  ranFor,
} from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { Snippet } from '../../ui/copy.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Facts } from '../../ui/facts.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Progress } from '../../ui/meter.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { BatchState, progressText } from './batch-list.tsx';
import { Results } from './results.tsx';

/** One batch: how far it is, what was wrong with its file, and the results of its lines. */
export function BatchDrawer({
  batch: { id, tenant },
  onClose,
  onAgain,
}: {
  readonly batch: Batch;
  readonly onClose: () => void;
  /** Creates another one; undefined where the caller may not. */
  readonly onAgain: (() => void) | undefined;
}) {
  const path = `/admin/v1/tenants/${tenant}/batches/${id}`;
  const { data, error, refetch } = useQuery({
    queryKey: ['batch', path],
    queryFn: ({ signal }) => api.get<BatchDetails>(path, { signal }),
    refetchInterval: ({ state }) => (state.data && hasEnded(state.data) ? false : READ_RUNNING_MS),
  });
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title="Batch"
      description={<code className="font-mono select-all break-all">{id}</code>}
    >
      {error ? (
        <ErrorPanel what="The batch could not be read" error={error} retry={() => void refetch()} />
      ) : data ? (
        <Details path={path} batch={data} onAgain={onAgain} reread={() => void refetch()} />
      ) : (
        <Skeleton className="h-64" />
      )}
    </Drawer>
  );
}

function Details({
  path,
  batch,
  onAgain,
  reread,
}: {
  readonly path: string;
  readonly batch: BatchDetails;
  readonly onAgain: (() => void) | undefined;
  readonly reread: () => void;
}) {
  const { me, can } = useSession();
  const now = useNow(READ_RUNNING_MS);
  const [isCancelling, setCancelling] = useState(false);
  const { tenant, total, completed, failed, status } = batch;
  const mayCancel = status === 'validating' || status === 'in_progress';
  const mayChange = can('limits:write', tenant) || isOwn(me, batch);
  const mayRead = can('requests:read', tenant) || isOwn(me, batch);
  const left = total - completed - failed;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-center">
        <BatchState batch={batch} />
        <span className="grow">{progressText(batch)}</span>
        {mayCancel && mayChange && (
          <Button variant="danger" onClick={() => setCancelling(true)}>
            Cancel
          </Button>
        )}
      </div>
      {total > 0 && !hasEnded(batch) && (
        <Progress label="Lines that have ended" share={(completed + failed) / total} />
      )}
      <Facts
        facts={[
          ['Created', <RelativeTime key="created" at={batch.created_at} />],
          ['Ran for', duration(ranFor(batch, now))],
          ['Ended', batch.ended_at && time(batch.ended_at)],
          ['Ends at the latest', hasEnded(batch) ? undefined : time(batch.expires_at)],
          ['Models', batch.models.join(', ')],
          ['Endpoint', batch.endpoint],
          ['Tenant', tenant],
          ['Key', batch.key_name],
          ['Person', batch.user],
          ['Cost', `${money(batch.cost_usd, batch.unpriced > 0)}`],
          ['Without a price', batch.unpriced > 0 ? count(batch.unpriced, 'line') : undefined],
          ['Runs at', batch.forwarding && placesText(batch.forwarding)],
          ['Tokens', `${number(batch.input_tokens)} in, ${number(batch.output_tokens)} out`],
        ]}
      />
      {batch.errors.length > 0 && <InputErrors errors={batch.errors} onAgain={onAgain} />}
      {mayRead ? (
        <>
          <Downloads batch={batch} />
          {batch.total > 0 && <Results path={path} batch={batch} />}
        </>
      ) : (
        <p className="text-muted">
          The content of its lines is shown to the person who created it, and to owners and administrators of{' '}
          {tenant}.
        </p>
      )}
      <Snippet
        title="The same with the API"
        code={`curl ${location.origin}${path} -H "Authorization: Bearer $WEIR_ADMIN_KEY"`}
      />
      {isCancelling && (
        <ConfirmDialog
          isOpen
          onClose={() => setCancelling(false)}
          title="Cancel the batch"
          lost={
            <p>
              {total === 0
                ? 'No line runs.'
                : `${count(left, 'line')} that did not run ${left === 1 ? 'ends' : 'end'} without a response. Lines that run are completed.`}{' '}
              The results so far are kept. It cannot be taken back.
            </p>
          }
          action="Cancel the batch"
          onConfirm={async () => {
            await api.post(`${path}/cancel`);
            reread();
          }}
        />
      )}
    </div>
  );
}

/** `openai 120 lines, Weir 3 lines (request not supported)`. */
function placesText({ forwarded, local }: NonNullable<BatchDetails['forwarding']>): string {
  const at = Object.entries(forwarded).map(([provider, lines]) => `${provider} ${count(lines, 'line')}`);
  const own = Object.entries(local).map(
    ([reason, lines]) => `Weir ${count(lines, 'line')} (${reason.replaceAll('_', ' ')})`,
  );
  return [...at, ...own].join(', ');
}

const LINK =
  'rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised';

function Downloads({ batch }: { readonly batch: BatchDetails }) {
  const files: readonly (readonly [string, string | null])[] = [
    ['Download the results', batch.output_file],
    ['Download the errors', batch.error_file],
    ['Download the input', batch.form === 'file' ? batch.input_file : null],
  ];
  return (
    <div className="flex flex-wrap gap-2">
      {files.map(
        ([label, file]) =>
          file !== null && (
            <a
              key={label}
              href={`/admin/v1/tenants/${batch.tenant}/files/${file}/content`}
              download
              className={LINK}
            >
              {label}
            </a>
          ),
      )}
    </div>
  );
}

const ERROR_COLUMNS: readonly Column<LineError>[] = [
  {
    ...{ id: 'line', header: 'Line', isNumber: true, width: '4.5rem' },
    cell: ({ line }) => (line === null ? 'file' : number(line)),
  },
  {
    ...{ id: 'message', header: 'What is wrong', width: 'minmax(15rem, 3fr)' },
    cell: ({ message }) => <span title={message}>{message}</span>,
  },
  {
    ...{ id: 'param', header: 'Member', width: '7.5rem' },
    cell: ({ param }) => (param === null ? '–' : <code className="font-mono">{param}</code>),
  },
  {
    ...{ id: 'code', header: 'Code', width: '13rem' },
    cell: ({ code }) => <code className="font-mono">{code}</code>,
  },
];
const MAX_ERRORS = 1_000;

function InputErrors({
  errors,
  onAgain,
}: {
  readonly errors: readonly LineError[];
  readonly onAgain: (() => void) | undefined;
}) {
  return (
    <Panel
      title={`${errors.length >= MAX_ERRORS ? 'More than ' : ''}${count(errors.length, 'error')}: nothing ran`}
      actions={onAgain && <Button onClick={onAgain}>Create it again</Button>}
    >
      <p className="mb-2 text-muted">
        A file with errors is rejected as a whole, before anything costs money.
      </p>
      <DataTable
        label="Errors of the file"
        columns={ERROR_COLUMNS}
        rows={errors}
        rowKey={({ line, code, param }) => `${line} ${code} ${param}`}
        height="20rem"
      />
    </Panel>
  );
}
