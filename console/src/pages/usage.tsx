import { useCallback, useMemo } from 'react';
import { urlOf } from '../lib/api.ts';
import { money, number, percent, short } from '../lib/format.ts';
import { groupName, type MetricSeries, numbersOf, totalOf, useMetrics } from '../lib/metrics.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Chart, type Series } from '../ui/chart.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { SelectField } from '../ui/field.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { RangePicker, useRange } from '../ui/range-picker.tsx';
import { type Column, DataTable } from '../ui/table.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { BurnDown } from './usage/burn-down.tsx';
import { Forecast } from './usage/forecast.tsx';
import { Reports } from './usage/reports.tsx';
import type { Quantity } from './usage/use-forecast.ts';

const GROUPS = [
  { value: 'model', label: 'Model' },
  { value: 'provider', label: 'Provider' },
  { value: 'key', label: 'API key' },
  { value: 'user', label: 'Person' },
  { value: 'tag', label: 'Tag' },
];
const METRICS = 'requests,errors,input_tokens,output_tokens,cached_tokens,cost,saved,cache_hits';
const MEASURES: readonly { readonly value: Quantity; readonly label: string }[] = [
  { value: 'cost', label: 'Cost (US dollars)' },
  { value: 'requests', label: 'Requests' },
  { value: 'tokens', label: 'Tokens' },
];
const DAY_MS = 86_400_000;
/** The period that a range is compared with: its length before it, or so many days. */
const COMPARISONS = [
  { value: 'before', label: 'The period before', days: undefined },
  { value: 'week', label: 'A week before', days: 7 },
  { value: 'month', label: 'Four weeks before', days: 28 },
];
const MAX_ROWS = 100;

interface Row {
  readonly name: string;
  readonly now: MetricSeries;
  readonly before: MetricSeries | undefined;
}

const value = (metric: string) => (row: Row) => totalOf(row.now, metric);

const amountText = (measure: Quantity) => (amount: number | undefined) =>
  measure === 'cost' ? money(amount) : number(amount);

/** What the same group used in the period that the range is compared with. */
const comparedColumns = (measure: Quantity): readonly Column<Row>[] => [
  {
    ...{ id: 'before', header: 'Before', isNumber: true },
    cell: ({ before }) => amountText(measure)(totalOf(before, measure)),
  },
  {
    ...{ id: 'change', header: 'Change', isNumber: true },
    cell: (row) => changeText(totalOf(row.now, measure) ?? 0, totalOf(row.before, measure) ?? 0),
  },
];

/** Whole days: reports of them are read from sums by day. */
const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);

function changeText(now: number, before: number): string {
  if (before === 0) return now === 0 ? '–' : 'new';
  if (now / before >= 10) return `${number(now / before)} ×`;
  return `${now >= before ? '+' : '−'}${percent(Math.abs(now / before - 1))}`;
}

const COLUMNS: readonly Column<Row>[] = [
  { id: 'name', header: 'Group', cell: ({ name }) => name, width: 'minmax(12rem, 2fr)' },
  { id: 'requests', header: 'Requests', isNumber: true, cell: (row) => number(value('requests')(row)) },
  { id: 'errors', header: 'Errors', isNumber: true, cell: (row) => number(value('errors')(row)) },
  { id: 'input', header: 'Input tokens', isNumber: true, cell: (row) => number(value('input_tokens')(row)) },
  {
    id: 'output',
    header: 'Output tokens',
    isNumber: true,
    cell: (row) => number(value('output_tokens')(row)),
  },
  {
    ...{ id: 'cached', header: 'Cached tokens', isNumber: true, isHidden: true },
    cell: (row) => number(value('cached_tokens')(row)),
  },
  { id: 'cost', header: 'Cost', isNumber: true, cell: (row) => money(value('cost')(row)) },
  { id: 'saved', header: 'Saved by cache', isNumber: true, cell: (row) => money(value('saved')(row)) },
];

/** Usage and cost of a period against the one before it. */
export default function UsagePage() {
  const { tenant } = useSession();
  const [search] = usePageSearch();
  if (search.tab !== 'reports') return <Current />;
  return (
    <Page title="Usage" purpose={`Reports of usage and cost ${placeOf(tenant)}.`}>
      <Tabs label="Parts of usage" tabs={TABS} />
      <Reports key={tenant} tenant={tenant} />
    </Page>
  );
}

const TABS = [
  { id: 'now', label: 'Usage' },
  { id: 'reports', label: 'Reports' },
];

const placeOf = (tenant: string | undefined) => (tenant === undefined ? 'in all tenants' : `in ${tenant}`);

function Current() {
  const { tenant } = useSession();
  const [search, change] = usePageSearch();
  const range = useRange();
  const groups = tenant === undefined ? [{ value: 'tenant', label: 'Tenant' }, ...GROUPS] : GROUPS;
  const group = groups.find((one) => one.value === search.by)?.value ?? groups[0]?.value ?? 'model';
  const measure = MEASURES.find((one) => one.value === search.measure)?.value ?? 'cost';
  const comparison = COMPARISONS.find((one) => one.value === search.with) ?? COMPARISONS[0];
  const shift = comparison?.days === undefined ? range.to - range.from : comparison.days * DAY_MS;
  const before = { from: range.from - shift, to: range.to - shift };
  const query = {
    ...{ metrics: `${METRICS},tokens`, group_by: group, series: MAX_ROWS, rank_by: 'cost', tenant },
  };
  const now = useMetrics(range, query, 60_000);
  const earlier = useMetrics(before, query, 600_000);
  const zoom = useCallback(
    (from: number, to: number) =>
      change({ from: new Date(from).toISOString(), to: new Date(to).toISOString() }, true),
    [change],
  );
  const rows = useMemo(() => {
    const known = new Map(earlier.data?.series.map((series) => [JSON.stringify(series.by), series]));
    return (now.data?.series ?? []).map((series) => ({
      ...{ name: groupName(series), now: series },
      before: known.get(JSON.stringify(series.by)),
    }));
  }, [now.data, earlier.data]);
  const lines = useMemo(() => {
    const largest: Series[] = (now.data?.series ?? []).slice(0, 5).map((series) => ({
      name: groupName(series),
      values: numbersOf(series, measure),
    }));
    const rest = now.data?.series.slice(5) ?? [];
    const others = now.data?.other ? [...rest, now.data.other] : rest;
    if (others.length === 0) return largest;
    const sums = (now.data?.times ?? []).map((_, index) =>
      others.reduce((sum, series) => sum + Number(series.values[measure]?.[index] ?? 0), 0),
    );
    return [...largest, { name: 'other', values: sums }];
  }, [now.data, measure]);
  const csv = urlOf(tenant === undefined ? '/admin/v1/usage' : `/admin/v1/tenants/${tenant}/usage`, {
    ...{ from: dayOf(range.from), to: dayOf(range.to + DAY_MS), format: 'csv' },
    ...{ interval: 'day', group_by: group === 'tenant' ? undefined : group },
  });
  const columns = useMemo(() => {
    const at = COLUMNS.findIndex(({ id }) => id === 'saved');
    return [...COLUMNS.slice(0, at), ...comparedColumns(measure), ...COLUMNS.slice(at)];
  }, [measure]);
  const total = now.data?.total;
  return (
    <Page
      title="Usage"
      purpose={`Who used what, and what it cost, ${placeOf(tenant)}.`}
      actions={
        <>
          <RangePicker />
          <a
            href={csv}
            download
            className="rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
          >
            CSV
          </a>
        </>
      }
    >
      <Tabs label="Parts of usage" tabs={TABS} />
      <div className="flex flex-wrap gap-3 items-end">
        <div className="w-44">
          <SelectField
            label="By"
            options={groups}
            value={group}
            onChange={({ target }) => change({ by: target.value }, true)}
          />
        </div>
        <div className="w-44">
          <SelectField
            label="Chart"
            options={MEASURES}
            value={measure}
            onChange={({ target }) => change({ measure: target.value })}
          />
        </div>
        <div className="w-48">
          <SelectField
            label="Compare with"
            options={COMPARISONS}
            value={comparison?.value ?? ''}
            onChange={({ target }) => change({ with: target.value })}
          />
        </div>
        {total && (
          <p className="ml-auto">
            <span className="text-muted">Together </span>
            {money(totalOf(total, 'cost'))}, {short(totalOf(total, 'requests'))} requests,{' '}
            {short(totalOf(total, 'tokens'))} tokens
            {earlier.data && (
              <span className="text-muted">
                {' '}
                (before: {money(totalOf(earlier.data.total, 'cost'))},{' '}
                {changeText(totalOf(total, 'cost') ?? 0, totalOf(earlier.data.total, 'cost') ?? 0)})
              </span>
            )}
          </p>
        )}
      </div>
      {now.error ? (
        <ErrorPanel what="The usage could not be read" error={now.error} retry={() => void now.refetch()} />
      ) : !now.data ? (
        <Skeleton className="h-96" />
      ) : rows.length === 0 ? (
        <Empty title="Nothing was used in this range." />
      ) : (
        <>
          <Chart
            title={MEASURES.find((one) => one.value === measure)?.label ?? ''}
            times={now.data.times}
            series={lines}
            format={measure === 'cost' ? money : short}
            onZoom={zoom}
          />
          <DataTable
            key={measure}
            label="Usage"
            columns={columns}
            rows={rows}
            rowKey={({ name }) => name}
            height="28rem"
          />
        </>
      )}
      <Panel title="This month">
        <Forecast tenant={tenant} quantity={measure} />
      </Panel>
      <Panel title="Budgets and quotas">
        {tenant === undefined ? (
          <p className="text-muted">
            Choose a tenant to see what is left of its budgets, and how long it lasts.
          </p>
        ) : (
          <BurnDown key={tenant} tenant={tenant} />
        )}
      </Panel>
    </Page>
  );
}
