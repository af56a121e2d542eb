import { type UseQueryResult, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { duration, money, time } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { isOwn, type QueuedContent, type QueuedRequest, READ_RUNNING_MS, ranFor } from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { Snippet } from '../../ui/copy.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Facts } from '../../ui/facts.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { JsonBlock } from '../batches/results.tsx';
import { AsyncState } from './async-list.tsx';

const isOpen = ({ status }: Pick<QueuedRequest, 'status'>): boolean =>
  status === 'pending' || status === 'running';

/** One queued request: its state, what it sent, and its response. */
export function AsyncDrawer({
  request: listed,
  onClose,
}: {
  readonly request: QueuedRequest;
  readonly onClose: () => void;
}) {
  const { me, can } = useSession();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const now = useNow(READ_RUNNING_MS);
  const { id, tenant } = listed;
  const path = `/admin/v1/tenants/${tenant}/async-requests/${id}`;
  const { data, error, refetch } = useQuery({
    queryKey: ['async request', path],
    queryFn: ({ signal }) => api.get<QueuedRequest>(path, { signal }),
    refetchInterval: ({ state }) => (state.data && !isOpen(state.data) ? false : READ_RUNNING_MS),
  });
  const request = data ?? listed;
  // Read once for each state: reading it is an entry of the audit trail.
  const content = useQuery({
    queryKey: ['async content', path, request.status],
    queryFn: ({ signal }) => api.get<QueuedContent>(`${path}/content`, { signal }),
    refetchOnWindowFocus: false,
  });
  const isDeleted = content.data?.request === null && content.data.response === null;
  const mayChange = can('limits:write', tenant) || isOwn(me, request);
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title="Async request"
      description={<code className="font-mono select-all break-all">{id}</code>}
    >
      <div className="flex flex-col gap-3">
        {error && <ErrorPanel what="It could not be read" error={error} retry={() => void refetch()} />}
        <div className="flex flex-wrap gap-3 items-center">
          <AsyncState request={request} />
          <span className="grow" />
          <Link
            to="/requests"
            search={{ request: id, of: tenant }}
            className="rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
          >
            Open its request
          </Link>
          {mayChange && (isOpen(request) || !isDeleted) && (
            <Button variant="danger" onClick={() => setAsking(true)}>
              {isOpen(request) ? 'Cancel' : 'Delete its content'}
            </Button>
          )}
        </div>
        <Facts
          facts={[
            ['Queued', <RelativeTime key="queued" at={request.created_at} />],
            ['Ran for', duration(ranFor(request, now))],
            ['Ended', request.ended_at && time(request.ended_at)],
            [isOpen(request) ? 'Fails unless it runs until' : 'Is kept until', time(request.expires_at)],
            ['Model', request.model],
            ['Endpoint', request.endpoint],
            ['Tenant', tenant],
            ['Key', request.key_name],
            ['Person', request.user],
            ['HTTP status', request.http_status],
            ['Error', request.error],
            ['Cost', money(request.cost_usd)],
          ]}
        />
        <Content content={content} />
        <Snippet
          title="The same with the API"
          code={`curl ${location.origin}/v1/async/${id} -H "Authorization: Bearer $WEIR_API_KEY"`}
        />
      </div>
      {isAsking && (
        <ConfirmDialog
          isOpen
          onClose={() => setAsking(false)}
          title={isOpen(request) ? 'Cancel the request' : 'Delete its content'}
          lost={
            <p>
              {isOpen(request)
                ? 'It ends without a response, and what it sent'
                : 'What it sent and its response'}{' '}
              {isOpen(request) ? 'is' : 'are'} deleted. It cannot be taken back.
            </p>
          }
          action={isOpen(request) ? 'Cancel the request' : 'Delete'}
          onConfirm={async () => {
            await api.delete(path);
            await client.invalidateQueries();
          }}
        />
      )}
    </Drawer>
  );
}

/** What was sent, and the response. */
function Content({ content: { data, error, refetch } }: { readonly content: UseQueryResult<QueuedContent> }) {
  if (error) {
    return <ErrorPanel what="Its content could not be read" error={error} retry={() => void refetch()} />;
  }
  if (!data) return <Skeleton className="h-32" />;
  const { request, response } = data;
  if (request === null && response === null) {
    return <p className="text-muted">Its content was deleted.</p>;
  }
  return (
    <Panel title="Content">
      <div className="flex flex-col gap-3">
        <JsonBlock
          title={response === null ? 'Response' : `Response, ${response.status}`}
          value={response?.body}
        />
        <JsonBlock title="Request" value={request} />
      </div>
    </Panel>
  );
}
