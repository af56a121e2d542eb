import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { count, duration, money, number, time } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';

interface Decision {
  readonly at: string;
  readonly request: string;
  readonly result: 'hit' | 'would_hit' | 'rejected';
  readonly similarity: number | null;
  readonly matched_request: string | null;
  readonly reason: string | null;
  readonly false_hit: boolean | null;
  readonly question: string | null;
  readonly matched_question: string | null;
}

interface SemanticModel {
  readonly tenant: string;
  readonly model: string;
  readonly since: string;
  readonly lookups: Readonly<Record<'hit' | 'would_hit' | 'rejected' | 'none' | 'skipped', number>>;
  readonly rejected_by: Readonly<Record<string, number>>;
  readonly would_have_saved_usd: string;
  readonly would_have_saved_seconds: number;
  readonly compared_hits: number;
  readonly false_hits: number;
  readonly false_hit_percent: number;
  readonly disabled_until: string | null;
  readonly disabled_by: {
    readonly at: string;
    readonly compared_hits: number;
    readonly false_hit_percent: number;
    readonly max_percent: number;
  } | null;
  readonly recent: readonly Decision[];
}

interface Report {
  readonly models: readonly SemanticModel[];
}

const RESULTS = { hit: 'served', would_hit: 'would have served', rejected: 'rejected' } as const;

const path = (tenant: string | undefined) =>
  tenant === undefined ? '/admin/v1/cache/semantic' : `/admin/v1/tenants/${tenant}/cache/semantic`;

/** What the semantic cache served, would have served and rejected, by model; and how often it is wrong. */
export function SemanticReport({ tenant }: { readonly tenant: string | undefined }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['cache', 'semantic', tenant],
    queryFn: () => api.get<Report>(path(tenant)),
    refetchInterval: 10_000,
  });
  return (
    <Panel title="Semantic cache">
      {error ? (
        <ErrorPanel what="Its report could not be read" error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-24" />
      ) : data.models.length === 0 ? (
        <p className="text-muted">
          No lookup since this gateway started. In shadow mode it serves nothing, and shows here what it would
          have served: set <code className="font-mono">cache.semantic.mode: shadow</code> in the
          configuration.
        </p>
      ) : (
        <ul className="flex flex-col gap-3">
          {data.models.map((one) => (
            <Model key={`${one.tenant} ${one.model}`} of={one} isTenantShown={tenant === undefined} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Model({ of, isTenantShown }: { readonly of: SemanticModel; readonly isTenantShown: boolean }) {
  const { can } = useSession();
  const client = useQueryClient();
  const [isEnabling, setEnabling] = useState(false);
  const { tenant, model, lookups, rejected_by: rejectedBy, disabled_by: disabledBy } = of;
  const total = Object.values(lookups).reduce((sum, one) => sum + one, 0);
  const share = (value: number) => `${total === 0 ? 0 : Math.round((value / total) * 100)}%`;
  const facts = [
    ['lookups', number(total)],
    ['served', `${number(lookups.hit)} (${share(lookups.hit)})`],
    ['would have served', `${number(lookups.would_hit)} (${share(lookups.would_hit)})`],
    ['rejected candidates', number(lookups.rejected)],
    ['no candidate', number(lookups.none)],
    [
      'would have saved',
      `${money(of.would_have_saved_usd)}, ${duration(of.would_have_saved_seconds * 1_000)}`,
    ],
    [
      'false hits',
      of.compared_hits === 0
        ? 'none compared'
        : `${of.false_hits} of ${count(of.compared_hits, 'comparison')}, ${of.false_hit_percent}% of the last`,
    ],
  ];
  const reasons = Object.entries(rejectedBy).sort((one, other) => other[1] - one[1]);
  const enable = async () => {
    await api.post(`${path(tenant)}/enable`, { model });
    await client.invalidateQueries({ queryKey: ['cache'] });
  };
  return (
    <li className="rounded border border-line p-3 flex flex-col gap-2 min-w-0">
      <p className="flex flex-wrap gap-2 items-center">
        <code className="font-mono font-semibold">{model}</code>
        {isTenantShown && <span className="text-muted">{tenant}</span>}
        <span className="text-muted">
          since <RelativeTime at={of.since} />
        </span>
      </p>
      {of.disabled_until !== null && (
        <div className="rounded border border-warn bg-warn-bg p-2 flex flex-wrap gap-2 items-center">
          <Badge tone="warn">disabled itself</Badge>
          <span className="grow">
            {disabledBy &&
              `${disabledBy.false_hit_percent}% of ${disabledBy.compared_hits} compared hits were false; ${disabledBy.max_percent}% are allowed. `}
            It serves no hit until {time(of.disabled_until)}.
          </span>
          {can('tenant:write', tenant) && <Button onClick={() => setEnabling(true)}>Enable it again</Button>}
        </div>
      )}
      <dl className="flex flex-wrap gap-x-6 gap-y-1">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="text-muted">{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {reasons.length > 0 && (
        <p>
          <span className="text-muted">Rejected because of: </span>
          {reasons.map(([reason, times]) => `${reason.replaceAll('_', ' ')} ${times}`).join(', ')}
        </p>
      )}
      {of.recent.length > 0 && (
        <details>
          <summary className="cursor-pointer">The latest {of.recent.length} decisions</summary>
          <Decisions tenant={tenant} model={model} decisions={of.recent} />
        </details>
      )}
      <ConfirmDialog
        isOpen={isEnabling}
        onClose={() => setEnabling(false)}
        title={`Serve hits of ${model} again`}
        lost={`Hits are served to ${tenant} at once, and measured again. Too many false ones disable it again.`}
        action="Enable"
        isDanger={false}
        onConfirm={enable}
      />
    </li>
  );
}

function Decisions({
  tenant,
  model,
  decisions,
}: {
  readonly tenant: string;
  readonly model: string;
  readonly decisions: readonly Decision[];
}) {
  const { can } = useSession();
  const [isWithTexts, setWithTexts] = useState(false);
  const texts = useQuery({
    queryKey: ['cache', 'semantic texts', tenant, model],
    queryFn: () => api.get<Report>(path(tenant), { query: { model, texts: true } }),
    enabled: isWithTexts,
    // Each reading is an entry of the audit trail.
    staleTime: Number.POSITIVE_INFINITY,
  });
  const rows = (isWithTexts && texts.data?.models[0]?.recent) || decisions;
  const columns: readonly Column<Decision>[] = [
    { id: 'at', header: 'When', cell: ({ at }) => <RelativeTime at={at} />, width: '7.5rem' },
    {
      ...{ id: 'result', header: 'Result', width: '11rem' },
      cell: ({ result }) => <Badge>{RESULTS[result]}</Badge>,
    },
    {
      id: 'reason',
      header: 'Reason',
      cell: ({ reason }) => reason?.replaceAll('_', ' ') ?? '–',
      width: '8rem',
    },
    {
      ...{ id: 'similarity', header: 'Similarity', isNumber: true, width: '6rem' },
      cell: ({ similarity }) => similarity?.toFixed(3) ?? '–',
    },
    {
      ...{ id: 'compared', header: 'Compared', width: '7rem' },
      cell: ({ false_hit: isFalse }) =>
        isFalse === null ? (
          '–'
        ) : isFalse ? (
          <Badge tone="bad">different</Badge>
        ) : (
          <Badge tone="good">same</Badge>
        ),
    },
    {
      ...{ id: 'request', header: 'Request', width: 'minmax(12rem, 2fr)' },
      cell: ({ request, question }) => <Question tenant={tenant} id={request} text={question} />,
    },
    {
      ...{ id: 'matched', header: 'Matched', width: 'minmax(12rem, 2fr)' },
      cell: ({ matched_request: id, matched_question: question }) =>
        id === null ? '–' : <Question tenant={tenant} id={id} text={question} />,
    },
  ];
  return (
    <div className="flex flex-col gap-2 mt-2">
      {can('requests:read', tenant) && !isWithTexts && (
        <Button className="self-start" onClick={() => setWithTexts(true)}>
          Show the questions that are logged
        </Button>
      )}
      {texts.error && <ErrorPanel what="The questions could not be read" error={texts.error} />}
      {isWithTexts && texts.data && rows.every(({ question }) => question === null) && (
        <p className="text-muted">
          None of them is in the log of prompts and responses. A request of {tenant}, opened, shows how to
          turn it on.
        </p>
      )}
      <DataTable
        label={`Decisions for ${model}`}
        columns={columns}
        rows={rows}
        rowKey={({ request, at }) => `${request} ${at}`}
        height="24rem"
      />
    </div>
  );
}

function Question({
  tenant,
  id,
  text,
}: {
  readonly tenant: string;
  readonly id: string;
  readonly text: string | null;
}) {
  return (
    <Link
      to="/requests"
      search={{ request: id, of: tenant }}
      title={text ?? id}
      className={
        text === null
          ? 'underline text-accent font-mono inline-block py-1'
          : 'underline text-accent inline-block py-1'
      }
    >
      {text ?? id}
    </Link>
  );
}
