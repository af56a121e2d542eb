import { useState } from 'react';
import { type Alert, alertsPath, SEVERITY_TONES } from '../../lib/alerts.ts';
import { number, time } from '../../lib/format.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Drawer } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { CreateSilence } from './silences.tsx';

const REFRESH_MS = 10_000;

function AlertState({ alert: { state, severity, silenced_by: silence } }: { readonly alert: Alert }) {
  if (state === 'resolved') return <Badge tone="good">resolved</Badge>;
  if (silence !== null) return <Badge>silenced</Badge>;
  if (state === 'pending') return <Badge>pending</Badge>;
  return <Badge tone={SEVERITY_TONES[severity]}>{severity}</Badge>;
}

const COLUMNS: readonly Column<Alert>[] = [
  { id: 'state', header: 'State', cell: (alert) => <AlertState alert={alert} />, width: '7rem' },
  { id: 'summary', header: 'What', cell: ({ summary }) => summary, width: 'minmax(18rem, 4fr)' },
  {
    id: 'rule',
    header: 'Rule',
    cell: ({ rule }) => <code className="font-mono">{rule}</code>,
    width: '11rem',
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant ?? '–', width: '9rem' },
  { id: 'since', header: 'Since', cell: ({ since }) => <RelativeTime at={since} />, width: '8rem' },
];

/** Alerts that fire or are pending, or those that ended. */
export function AlertList({
  tenant,
  state,
}: {
  readonly tenant: string | undefined;
  readonly state: 'open' | 'resolved';
}) {
  const [search, change] = usePageSearch();
  const path = alertsPath(tenant);
  const alerts = usePaged<Alert>(path, { state }, REFRESH_MS);
  const opened = useOpened(alerts, path, search.alert);
  return (
    <>
      {opened.problem}
      {alerts.error ? (
        <ErrorPanel what="The alerts could not be read" error={alerts.error} retry={alerts.refetch} />
      ) : alerts.isLoading ? (
        <Skeleton className="h-48" />
      ) : alerts.rows.length === 0 ? (
        <Empty
          title={
            state === 'open'
              ? 'No alert fires. Rules watch budgets, errors, latency, use and providers.'
              : 'No alert has ended yet.'
          }
          action={
            state === 'open' && <Button onClick={() => change({ tab: 'rules' }, true)}>See the rules</Button>
          }
        />
      ) : (
        <DataTable
          label={state === 'open' ? 'Alerts now' : 'Alerts that ended'}
          columns={COLUMNS}
          rows={alerts.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ alert: id }, true)}
          onEnd={alerts.more}
          isLoadingMore={alerts.isLoadingMore}
        />
      )}
      {opened.row && (
        <AlertDrawer tenant={tenant} alert={opened.row} onClose={() => change({ alert: undefined }, true)} />
      )}
    </>
  );
}

function AlertDrawer({
  tenant,
  alert,
  onClose,
}: {
  readonly tenant: string | undefined;
  readonly alert: Alert;
  readonly onClose: () => void;
}) {
  const { can } = useSession();
  const [isSilencing, setSilencing] = useState(false);
  const mayWrite = tenant === undefined ? can('platform:write') : can('alerts:write', tenant);
  const facts: readonly (readonly [string, string])[] = [
    ['Rule', alert.rule],
    ['About', alert.subject],
    ['Tenant', alert.tenant ?? 'the platform'],
    ['Value', `${number(alert.value)} ${alert.unit}`],
    ['Limit', alert.threshold === null ? '–' : `${number(alert.threshold)} ${alert.unit}`],
    ['Since', time(alert.since)],
    ['Fired', alert.fired_at === null ? 'not yet' : time(alert.fired_at)],
    ['Resolved', alert.resolved_at === null ? '–' : time(alert.resolved_at)],
    ['Recurrences', number(alert.recurrences)],
    ['Silenced by', alert.silenced_by ?? '–'],
  ];
  return (
    <Drawer isOpen onClose={onClose} title={alert.summary} description={<code>{alert.id}</code>}>
      <div className="flex flex-col gap-3">
        <div className="flex flex-wrap gap-3 items-center">
          <AlertState alert={alert} />
          {mayWrite && alert.state !== 'resolved' && alert.silenced_by === null && (
            <Button onClick={() => setSilencing(true)}>Silence</Button>
          )}
        </div>
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
          {facts.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd className="break-words">{value}</dd>
            </div>
          ))}
          <dt className="text-muted">Runbook</dt>
          <dd className="break-words">
            {alert.runbook.startsWith('http') ? <Runbook href={alert.runbook} /> : alert.runbook}
          </dd>
        </dl>
      </div>
      {isSilencing && (
        <CreateSilence
          tenant={tenant}
          first={[
            { label: 'rule', value: alert.rule, not: false },
            { label: 'subject', value: alert.subject, not: false },
          ]}
          onClose={() => setSilencing(false)}
        />
      )}
    </Drawer>
  );
}

function Runbook({ href }: { readonly href: string }) {
  return (
    <a href={href} target="_blank" rel="noreferrer" className="underline text-accent">
      {href}
    </a>
  );
}
