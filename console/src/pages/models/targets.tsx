import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { duration, number, percent } from '../../lib/format.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

/** A target as `GET /admin/v1/targets` describes it. */
export interface TargetState {
  readonly provider: string;
  readonly model: string;
  readonly key: number | null;
  readonly available: boolean;
  readonly unavailable_because: string | null;
  readonly breaker: string;
  readonly open_operations: readonly string[];
  readonly healthy: boolean | null;
  readonly override: 'drain' | 'disable' | 'force' | null;
  readonly share: number;
  readonly in_flight: number;
  readonly max_concurrency: number | null;
  readonly queued: number;
  readonly ms_per_token: number | null;
  readonly first_event_p95_ms: number | null;
  readonly successes: number;
  readonly failures: number;
  readonly last_failure: {
    readonly code: string;
    readonly message: string;
    readonly seconds_ago: number;
  } | null;
}

const nameOf = ({ provider, model, key }: TargetState) =>
  `${provider}/${model}${key === null ? '' : `, key ${key}`}`;

function State({ available, override, breaker, unavailable_because: because }: TargetState) {
  if (override === 'disable') return <Badge>disabled</Badge>;
  if (override === 'drain') return <Badge>draining</Badge>;
  if (!available) return <Badge tone="bad">{because ?? 'unavailable'}</Badge>;
  if (breaker !== 'closed') return <Badge tone="warn">breaker {breaker.replace('_', ' ')}</Badge>;
  return <Badge tone="good">available</Badge>;
}

const COLUMNS: readonly Column<TargetState>[] = [
  {
    ...{ id: 'target', header: 'Target', width: 'minmax(14rem, 3fr)' },
    cell: (target) => <code className="font-mono">{nameOf(target)}</code>,
  },
  { id: 'state', header: 'State', cell: (target) => <State {...target} />, width: 'minmax(9rem, 1fr)' },
  {
    ...{ id: 'in-flight', header: 'In flight', isNumber: true },
    cell: ({ in_flight, max_concurrency: max }) =>
      max === null ? number(in_flight) : `${in_flight} of ${max}`,
  },
  { id: 'queued', header: 'Queued', isNumber: true, cell: ({ queued }) => number(queued), width: '6rem' },
  {
    ...{ id: 'first', header: 'First token p95', isNumber: true },
    cell: ({ first_event_p95_ms: value }) => duration(value),
  },
  {
    ...{ id: 'speed', header: 'Per token', isNumber: true },
    cell: ({ ms_per_token: value }) => duration(value),
  },
  { id: 'successes', header: 'Successes', isNumber: true, cell: ({ successes }) => number(successes) },
  { id: 'failures', header: 'Failures', isNumber: true, cell: ({ failures }) => number(failures) },
];

/** Every provider's model that requests can go to, with its state as this gateway measures it. */
export function Targets() {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const { data, error, refetch } = useQuery({
    queryKey: ['targets'],
    queryFn: () => api.get<{ data: readonly TargetState[] }>('/admin/v1/targets'),
    refetchInterval: 5_000,
  });
  if (error)
    return <ErrorPanel what="The targets could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-64" />;
  if (data.data.length === 0) {
    return (
      <Empty title="No target has been used yet. One appears when the first request goes to a model of a provider." />
    );
  }
  const opened = data.data.find(
    (target) => nameOf(target) === search.target || `${target.provider}/${target.model}` === search.target,
  );
  return (
    <>
      <DataTable
        label="Targets"
        columns={COLUMNS}
        rows={data.data}
        rowKey={nameOf}
        onOpen={(target) => change({ target: nameOf(target) }, true)}
      />
      {opened && (
        <TargetDrawer
          target={opened}
          mayChange={can('platform:write')}
          onClose={() => change({ target: undefined }, true)}
        />
      )}
    </>
  );
}

type Change = 'drain' | 'disable' | 'force' | 'none' | 'reset';

const CHANGES: Readonly<Record<Change, { readonly word: string; readonly lost: string }>> = {
  drain: { word: 'Drain', lost: 'It gets no new requests; those in flight end as usual.' },
  disable: { word: 'Disable', lost: 'It gets no new requests until it is enabled again.' },
  force: { word: 'Force', lost: 'It gets requests whatever was measured, even while it fails.' },
  none: { word: 'Enable', lost: 'It gets requests again as its measurements allow.' },
  reset: { word: 'Reset', lost: 'Its measurements are discarded: the breaker closes, a cooldown ends.' },
};

function TargetDrawer({
  target,
  mayChange,
  onClose,
}: {
  readonly target: TargetState;
  readonly mayChange: boolean;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const [wanted, setWanted] = useState<Change>();
  const { provider, model, key, override } = target;
  const send = async (change: Change) => {
    const what = change === 'reset' ? { reset: true } : { override: change === 'none' ? null : change };
    await api.post('/admin/v1/targets', { provider, model, ...(key === null ? {} : { key }), ...what });
    await client.invalidateQueries({ queryKey: ['targets'] });
  };
  const offered: readonly Change[] =
    override === null ? ['drain', 'disable', 'force', 'reset'] : ['none', 'reset'];
  const attempts = target.successes + target.failures;
  const facts: readonly (readonly [string, string])[] = [
    ['Share of normal load', percent(target.share)],
    ['Operations with an open breaker', target.open_operations.join(', ') || 'none'],
    ['Health checks', target.healthy === null ? 'not checked' : target.healthy ? 'healthy' : 'failing'],
    ['Failed attempts', attempts === 0 ? '–' : percent(target.failures / attempts)],
  ];
  return (
    <Drawer isOpen onClose={onClose} title={nameOf(target)} description="As this gateway measures it.">
      <div className="flex flex-col gap-3">
        <div className="flex gap-2 items-center">
          <State {...target} />
          {mayChange &&
            offered.map((change) => (
              <Button key={change} onClick={() => setWanted(change)}>
                {CHANGES[change].word}
              </Button>
            ))}
        </div>
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
          {facts.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {target.last_failure && (
          <div className="rounded border border-line p-3">
            <p className="font-medium">
              Last failure, {duration(target.last_failure.seconds_ago * 1_000)} ago:{' '}
              {target.last_failure.code}
            </p>
            <p className="break-words">{target.last_failure.message}</p>
          </div>
        )}
      </div>
      {wanted && (
        <ConfirmDialog
          isOpen
          onClose={() => setWanted(undefined)}
          title={`${CHANGES[wanted].word} ${nameOf(target)}`}
          lost={CHANGES[wanted].lost}
          action={CHANGES[wanted].word}
          onConfirm={() => send(wanted)}
        />
      )}
    </Drawer>
  );
}
