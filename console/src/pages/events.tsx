import { useState } from 'react';
import { time } from '../lib/format.ts';
import { usePaged } from '../lib/paged.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Drawer } from '../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { RelativeTime } from '../ui/time.tsx';

interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly actor_name: string;
  readonly action: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly address: string;
  readonly request_id: string;
  readonly sequence: number | null;
  readonly hash: string | null;
}

const COLUMNS: readonly Column<AuditEntry>[] = [
  { id: 'at', header: 'When', cell: ({ at }) => <RelativeTime at={at} />, width: '8rem' },
  { id: 'action', header: 'Action', cell: ({ action }) => <code className="font-mono">{action}</code> },
  { id: 'actor', header: 'Who', cell: ({ actor, actor_name }) => actor_name || actor },
  { id: 'subject', header: 'What', cell: ({ subject }) => subject, width: 'minmax(12rem, 2fr)' },
  { id: 'address', header: 'From', cell: ({ address }) => address },
  {
    ...{ id: 'sequence', header: 'Number', isNumber: true, width: '6rem' },
    cell: ({ sequence }) => sequence ?? '–',
  },
];

/** The audit trail: every change, with who made it and from where. */
export default function EventsPage() {
  const { tenant, can } = useSession();
  const [search, change] = usePageSearch();
  const [action, setAction] = useState(search.action ?? '');
  const mayRead = tenant === undefined ? can('platform:read') : can('audit:read', tenant);
  const path = tenant === undefined ? '/admin/v1/audit' : `/admin/v1/tenants/${tenant}/audit`;
  const entries = usePaged<AuditEntry>(mayRead ? path : undefined, {
    action: search.action,
    actor: search.actor,
  });
  const opened = entries.rows.find(({ id }) => id === search.entry);
  return (
    <Page
      title="Events"
      purpose={`The audit trail of ${tenant ?? 'the platform'}: who changed what, when and from where.`}
    >
      <form
        className="flex flex-wrap gap-3 items-end"
        onSubmit={(event) => {
          event.preventDefault();
          change({ action: action === '' ? undefined : action }, true);
        }}
      >
        <TextField
          label="Action"
          placeholder="key.create"
          value={action}
          onChange={({ target }) => setAction(target.value)}
          hint="Enter finds it."
        />
      </form>
      {!mayRead ? (
        <Empty title="Your role does not read the audit trail. Owners and administrators do." />
      ) : entries.error ? (
        <ErrorPanel what="The audit trail could not be read" error={entries.error} retry={entries.refetch} />
      ) : entries.isLoading ? (
        <Skeleton className="h-64" />
      ) : entries.rows.length === 0 ? (
        <Empty title="No entry matches." />
      ) : (
        <DataTable
          label="Audit trail"
          columns={COLUMNS}
          rows={entries.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ entry: id }, true)}
          onEnd={entries.more}
          isLoadingMore={entries.isLoadingMore}
        />
      )}
      {opened && (
        <Drawer
          isOpen
          onClose={() => change({ entry: undefined }, true)}
          title={opened.action}
          description={`${opened.actor_name || opened.actor}, ${time(opened.at)}`}
        >
          <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 mb-3">
            {(['actor', 'subject', 'address', 'request_id', 'sequence', 'hash'] as const).map((name) => (
              <div key={name} className="contents">
                <dt className="text-muted">{name.replace('_', ' ')}</dt>
                <dd className="font-mono break-all">{opened[name] ?? '–'}</dd>
              </div>
            ))}
          </dl>
          <pre className="font-mono overflow-x-auto rounded border border-line bg-panel p-3">
            {JSON.stringify(opened.details, undefined, 2)}
          </pre>
        </Drawer>
      )}
    </Page>
  );
}
