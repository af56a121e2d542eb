import { type FormEvent, useState } from 'react';
import { time } from '../../lib/format.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { isRangeName, rangeOf } from '../../lib/time-range.ts';
import { Button } from '../../ui/button.tsx';
import { Drawer } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { ChainPanel } from './chain-panel.tsx';

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

const FILTERS = [
  { name: 'find', label: 'Find', hint: 'a name, id, address, or a word of the details' },
  { name: 'action', label: 'Action', hint: 'key.create' },
  { name: 'actor', label: 'Who', hint: 'user:usr_...' },
  { name: 'subject', label: 'What', hint: 'key:key_...' },
] as const;

const SINCE = ['', '1h', '24h', '7d', '30d', '90d'] as const;

/** The audit trail: every change, with who made it and from where; and whether the trail is as it was written. */
export function AuditTrail({ tenant }: { readonly tenant: string | undefined }) {
  const [search] = usePageSearch();
  const path = tenant === undefined ? '/admin/v1/audit' : `/admin/v1/tenants/${tenant}/audit`;
  return (
    <>
      <ChainPanel key={path} path={path} />
      <Filters key={JSON.stringify(FILTERS.map(({ name }) => search[name]))} />
      <Entries path={path} />
    </>
  );
}

function Filters() {
  const [search, change] = usePageSearch();
  const [texts, setTexts] = useState(() =>
    Object.fromEntries(FILTERS.map(({ name }) => [name, search[name] ?? ''])),
  );
  const isFiltered = search.since !== undefined || FILTERS.some(({ name }) => search[name] !== undefined);
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const wanted = Object.entries(texts).map(([name, text]) => [name, text.trim() || undefined]);
    change({ ...Object.fromEntries(wanted), entry: undefined }, true);
  };
  return (
    <form role="search" className="flex flex-wrap gap-3 items-end" onSubmit={apply}>
      {FILTERS.map(({ name, label, hint }) => (
        <TextField
          key={name}
          label={label}
          placeholder={hint}
          value={texts[name] ?? ''}
          onChange={({ target }) => setTexts({ ...texts, [name]: target.value })}
        />
      ))}
      <SelectField
        label="Since"
        options={SINCE.map((value) => ({
          value,
          label: value === '' ? 'the beginning' : `the last ${value}`,
        }))}
        value={search.since ?? ''}
        onChange={({ target }) => change({ since: target.value === '' ? undefined : target.value }, true)}
      />
      <Button type="submit">Search</Button>
      {isFiltered && (
        <Button
          variant="quiet"
          onClick={() =>
            change(
              { find: undefined, action: undefined, actor: undefined, subject: undefined, since: undefined },
              true,
            )
          }
        >
          Show all
        </Button>
      )}
    </form>
  );
}

function Entries({ path }: { readonly path: string }) {
  const [search, change] = usePageSearch();
  const { since } = search;
  const now = useNow(60_000);
  const from = isRangeName(since) ? new Date(rangeOf({ range: since }, now).from).toISOString() : undefined;
  const entries = usePaged<AuditEntry>(path, {
    ...{ search: search.find, action: search.action, actor: search.actor, subject: search.subject, from },
  });
  const opened = useOpened(entries, path, search.entry, 'filter');
  if (entries.error) {
    return (
      <ErrorPanel what="The audit trail could not be read" error={entries.error} retry={entries.refetch} />
    );
  }
  if (entries.isLoading) return <Skeleton className="h-64" />;
  return (
    <>
      {entries.rows.length === 0 && !entries.hasMore ? (
        <Empty title="No entry matches. Remove a filter, or choose an earlier beginning." />
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
      {entries.hasMore && (
        <Button className="self-start" onClick={entries.more} isBusy={entries.isLoadingMore}>
          Search earlier entries
        </Button>
      )}
      {opened.problem}
      {opened.row && <Entry entry={opened.row} onClose={() => change({ entry: undefined }, true)} />}
    </>
  );
}

function Entry({ entry, onClose }: { readonly entry: AuditEntry; readonly onClose: () => void }) {
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={entry.action}
      description={`${entry.actor_name || entry.actor}, ${time(entry.at)}`}
    >
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 mb-3">
        {(['actor', 'subject', 'address', 'request_id', 'sequence', 'hash'] as const).map((name) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name.replace('_', ' ')}</dt>
            <dd className="font-mono break-all">{entry[name] ?? '–'}</dd>
          </div>
        ))}
      </dl>
      <pre className="font-mono whitespace-pre-wrap break-all rounded border border-line bg-panel p-3">
        {JSON.stringify(entry.details, undefined, 2)}
      </pre>
    </Drawer>
  );
}
