import { useQuery } from '@tanstack/react-query';
import { api, pathOf, urlOf } from '../../lib/api.ts';
import { money, number, short, time } from '../../lib/format.ts';
import {
  type ReportDocument,
  type ReportHint,
  type ReportRow,
  type ReportSummary,
  shownName,
} from '../../lib/reports.ts';
import { usePageSearch } from '../../lib/search.ts';
import { Drawer } from '../../ui/dialog.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

const LABELS: Readonly<Record<string, string>> = {
  ...{ tenant: 'Tenant', key: 'API key', user: 'Person', model: 'Model', provider: 'Provider' },
  ...{ tag: 'Tag', client: 'Client' },
};

const COLUMNS: readonly Column<ReportRow>[] = [
  { id: 'name', header: 'Group', cell: (row) => shownName(row), width: 'minmax(10rem, 2fr)' },
  { id: 'requests', header: 'Requests', isNumber: true, cell: ({ requests }) => number(requests) },
  { id: 'failures', header: 'Failures', isNumber: true, cell: ({ failures }) => number(failures) },
  { id: 'cost', header: 'Cost', isNumber: true, cell: ({ cost }) => money(cost) },
  { id: 'before', header: 'Before', isNumber: true, cell: ({ previous_cost: cost }) => money(cost) },
];

/** One report: what a schedule made, or a preview of a period. */
export function ReportDrawer({
  root,
  report,
  preview,
  onClose,
}: {
  readonly root: string;
  readonly report: string | undefined;
  /** A period, instead of a report. */
  readonly preview: string | undefined;
  readonly onClose: () => void;
}) {
  const isStored = report !== undefined;
  const path = isStored ? pathOf(`${root}/reports`, report) : `${root}/report-preview`;
  const query = isStored ? {} : { period: preview };
  const { data, error, refetch } = useQuery({
    queryKey: ['report', path, query],
    queryFn: async ({ signal }) => {
      if (!isStored) {
        return { name: 'Preview', document: await api.get<ReportDocument>(path, { query, signal }) };
      }
      return api.get<ReportSummary & { readonly document: ReportDocument }>(path, { signal });
    },
  });
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={data ? `${data.name}: ${data.document.label}` : 'Report'}
      description={
        data && `${time(data.document.from)} to ${time(data.document.to)}, in ${data.document.time_zone}`
      }
    >
      {error ? (
        <ErrorPanel what="The report could not be read" error={error} retry={() => void refetch()} />
      ) : data ? (
        <Content document={data.document} csv={urlOf(path, { ...query, format: 'csv' })} />
      ) : (
        <Skeleton className="h-96" />
      )}
    </Drawer>
  );
}

function Content({ document, csv }: { readonly document: ReportDocument; readonly csv: string }) {
  const [search, change] = usePageSearch();
  const { totals, previous, changes, forecast, hints, groups } = document;
  const group = groups.find(({ by }) => by === search.by) ?? groups[0];
  return (
    <div className="flex flex-col gap-3">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        <dt className="text-muted">Cost</dt>
        <dd>
          {money(totals.cost)} <span className="text-muted">({money(previous.cost)} before)</span>
        </dd>
        <dt className="text-muted">Requests</dt>
        <dd>
          {number(totals.requests)} <span className="text-muted">({number(previous.requests)} before)</span>,{' '}
          {number(totals.failures)} failed attempts
        </dd>
        <dt className="text-muted">Tokens</dt>
        <dd>
          {short(totals.input_tokens)} input, {short(totals.output_tokens)} output
        </dd>
        {forecast && (
          <>
            <dt className="text-muted">Forecast of {forecast.month}</dt>
            <dd>
              {money(forecast.expected, true)}
              {forecast.low !== null && forecast.high !== null && (
                <span className="text-muted">
                  {' '}
                  ({money(forecast.low, true)} to {money(forecast.high, true)})
                </span>
              )}
            </dd>
          </>
        )}
      </dl>
      <Panel title="Largest changes of cost">
        {changes.length === 0 ? (
          <p className="text-muted">Nothing has changed against the period before.</p>
        ) : (
          <ul className="flex flex-col gap-1">
            {changes.map(({ by, id, name, change: amount, cost, previous_cost: before }) => (
              <li key={`${by} ${id}`} className="flex gap-2">
                <span className="grow min-w-0 break-words">
                  <span className="text-muted">{LABELS[by] ?? by}</span> {shownName({ id, name })}
                </span>
                <span className="tabular-nums whitespace-nowrap">
                  {amount.startsWith('-') ? `−${money(amount.slice(1))}` : `+${money(amount)}`}{' '}
                  <span className="text-muted">
                    ({money(before)} to {money(cost)})
                  </span>
                </span>
              </li>
            ))}
          </ul>
        )}
      </Panel>
      <Panel title="What could cost less">
        {hints.length === 0 ? (
          <p className="text-muted">The usage of this period shows nothing that could cost less.</p>
        ) : (
          <ul className="flex flex-col gap-3">
            {hints.map((hint) => (
              <Hint key={`${hint.kind} ${hint.subject}`} hint={hint} />
            ))}
          </ul>
        )}
      </Panel>
      <div className="flex flex-wrap gap-3 items-end">
        <div className="w-44">
          <SelectField
            label="By"
            options={groups.map(({ by }) => ({ value: by, label: LABELS[by] ?? by }))}
            value={group?.by ?? ''}
            onChange={({ target }) => change({ by: target.value })}
          />
        </div>
        <a
          href={csv}
          download
          className="rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
        >
          CSV
        </a>
      </div>
      {group && group.rows.length > 0 ? (
        <DataTable
          label="Groups"
          columns={COLUMNS}
          rows={group.rows}
          rowKey={({ id }) => id}
          height="20rem"
        />
      ) : (
        <p className="text-muted">Nothing was used in this period.</p>
      )}
    </div>
  );
}

function Hint({ hint: { text, saves, evidence } }: { readonly hint: ReportHint }) {
  return (
    <li>
      <p className="break-words">
        {text}
        {saves !== null && saves !== '0' && <strong> Saves {money(saves, true)}.</strong>}
      </p>
      <p className="text-muted break-words">
        {Object.entries(evidence)
          .map(([name, value]) => `${name.replaceAll('_', ' ')}: ${value ?? '–'}`)
          .join(', ')}
      </p>
    </li>
  );
}
