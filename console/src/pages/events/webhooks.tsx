import { useState } from 'react';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { sentence, type Webhook, webhooksPath } from '../../lib/webhooks.ts';
import { Button } from '../../ui/button.tsx';
import { Snippet } from '../../ui/copy.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { WebhookDrawer } from './webhook-drawer.tsx';
import { CreateWebhook } from './webhook-form.tsx';

export function WebhookState({ webhook }: { readonly webhook: Webhook }) {
  if (webhook.status === 'disabled') {
    return <Badge tone={webhook.disabled_reason === null ? 'neutral' : 'bad'}>disabled</Badge>;
  }
  return webhook.failing_since === null ? <Badge>enabled</Badge> : <Badge tone="warn">failing</Badge>;
}

const COLUMNS: readonly Column<Webhook>[] = [
  { id: 'url', header: 'URL', cell: ({ url }) => url, width: 'minmax(14rem, 2fr)' },
  {
    ...{ id: 'status', header: 'Status', width: '7rem' },
    cell: (webhook) => <WebhookState webhook={webhook} />,
  },
  {
    ...{ id: 'events', header: 'Events', width: 'minmax(12rem, 2fr)' },
    cell: ({ events }) => <code className="font-mono">{events.join(', ')}</code>,
  },
  {
    id: 'description',
    header: 'Description',
    cell: ({ description }) => description || '–',
    width: 'minmax(14rem, 2fr)',
  },
  { id: 'created', header: 'Created', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '8rem' },
];

/** The webhooks of a tenant, or of the installation. */
export function Webhooks({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isCreating, setCreating] = useState(false);
  const path = webhooksPath(tenant);
  const webhooks = usePaged<Webhook>(path);
  const opened = useOpened(webhooks, path, search.webhook);
  const disabled = webhooks.rows.filter(({ disabled_reason: reason }) => reason !== null);
  const create = can('webhooks:write', tenant) && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create a webhook
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-center">
        <p className="text-muted grow">
          {tenant === undefined
            ? 'They receive the events of all tenants, and those of the installation.'
            : 'They receive the events of this tenant, signed, and in order for each subject.'}
        </p>
        {webhooks.rows.length > 0 && create}
      </div>
      {disabled.map((webhook) => (
        <div
          key={webhook.id}
          role="status"
          className="rounded border border-bad bg-bad-bg p-3 flex flex-wrap items-center gap-3"
        >
          <div className="grow min-w-0">
            <p className="font-medium text-bad break-all">{webhook.url} receives nothing: it is disabled</p>
            <p className="break-words">{sentence(webhook.disabled_reason ?? '')}</p>
          </div>
          <Button aria-label={`Open ${webhook.url}`} onClick={() => change({ webhook: webhook.id }, true)}>
            Open
          </Button>
        </div>
      ))}
      {opened.problem}
      {webhooks.error ? (
        <ErrorPanel what="The webhooks could not be read" error={webhooks.error} retry={webhooks.refetch} />
      ) : webhooks.isLoading ? (
        <Skeleton className="h-48" />
      ) : webhooks.rows.length === 0 ? (
        <Empty
          title="There is no webhook. One sends events, such as used-up budgets, to a URL of yours."
          action={create}
        >
          {tenant !== undefined && (
            <Snippet
              title="Try it without a public address"
              code={`npm run weir -- listen --tenant ${tenant} --forward-to http://127.0.0.1:3000/hooks`}
            />
          )}
        </Empty>
      ) : (
        <DataTable
          label="Webhooks"
          columns={COLUMNS}
          rows={webhooks.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ webhook: id }, true)}
          onEnd={webhooks.more}
          isLoadingMore={webhooks.isLoadingMore}
        />
      )}
      {isCreating && (
        <CreateWebhook
          path={path}
          onClose={(created) => {
            setCreating(false);
            if (created !== undefined) change({ webhook: created }, true);
          }}
        />
      )}
      {opened.row && (
        <WebhookDrawer
          key={opened.row.id}
          tenant={tenant}
          webhook={opened.row}
          onClose={() => change({ webhook: undefined, delivery: undefined, state: undefined }, true)}
        />
      )}
    </div>
  );
}
