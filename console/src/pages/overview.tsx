import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { duration, money, percent, short } from '../lib/format.ts';
import { useLive } from '../lib/live.ts';
import {
  groupName,
  type MetricResult,
  type MetricSeries,
  numbersOf,
  totalOf,
  useMetrics,
} from '../lib/metrics.ts';
import { usePageSearch } from '../lib/search.ts';
import { useSession } from '../lib/session.tsx';
import { Chart, type Series, Sparkline } from '../ui/chart.tsx';
import { Empty, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { Page } from '../ui/page.tsx';
import { RangePicker, useRange } from '../ui/range-picker.tsx';
import { Tile } from './overview/tile.tsx';
import { WrongNow } from './overview/wrong-now.tsx';

const WEEK_MS = 604_800_000;
const SUMS = 'requests,errors,tokens,cost,cache_hits,saved,latency,ttft';

/** What happens now, and what is wrong. */
export default function OverviewPage() {
  const { tenant } = useSession();
  const [, change] = usePageSearch();
  const range = useRange();
  const before = { from: range.from - WEEK_MS, to: range.to - WEEK_MS };
  const all = useMetrics(range, { metrics: SUMS, tenant });
  const lastWeek = useMetrics(before, { metrics: SUMS, tenant }, 300_000);
  const byModel = useMetrics(range, { metrics: 'requests,errors', group_by: 'model', series: 5, tenant });
  const group = tenant === undefined ? 'tenant' : 'key';
  const spenders = useMetrics(range, {
    ...{ metrics: 'cost', group_by: group, series: 5, rank_by: 'cost', tenant },
  });
  const zoom = useCallback(
    (from: number, to: number) =>
      change({ from: new Date(from).toISOString(), to: new Date(to).toISOString() }, true),
    [change],
  );
  const { data } = all;
  const isEmpty = data !== undefined && totalOf(data.total, 'requests') === 0;
  const client = useQueryClient();
  // Usage is stored within a second or two: the first request shows itself.
  const showFirst = useCallback(() => {
    if (isEmpty) setTimeout(() => void client.invalidateQueries({ queryKey: ['metrics'] }), 2_000);
  }, [isEmpty, client]);
  const live = useLive(true, tenant, showFirst);
  return (
    <Page
      title="Overview"
      purpose={tenant === undefined ? 'All tenants, now and in the range.' : `The tenant ${tenant}.`}
      actions={<RangePicker />}
    >
      {all.error ? (
        <ErrorPanel what="The figures could not be read" error={all.error} retry={() => void all.refetch()} />
      ) : !data ? (
        <Skeleton className="h-24" />
      ) : isEmpty ? (
        <NothingYet />
      ) : (
        <Tiles now={data} before={lastWeek.data} />
      )}
      <Now seconds={live} />
      <WrongNow />
      {data && !isEmpty && (
        <div className="grid gap-3 xl:grid-cols-2">
          <Lines
            title="Requests by model"
            result={byModel.data}
            metric="requests"
            format={short}
            onZoom={zoom}
          />
          <Lines title="Errors by model" result={byModel.data} metric="errors" format={short} onZoom={zoom} />
          <Latency result={data} onZoom={zoom} />
          <Lines
            title={tenant === undefined ? 'Cost by tenant (US dollars)' : 'Cost by key (US dollars)'}
            result={spenders.data}
            metric="cost"
            format={money}
            onZoom={zoom}
          />
        </div>
      )}
    </Page>
  );
}

/** The last minute, second by second. */
function Now({ seconds }: { readonly seconds: ReturnType<typeof useLive> }) {
  if (seconds.length === 0) return null;
  const sum = (of: (one: (typeof seconds)[number]) => number) =>
    seconds.reduce((total, one) => total + of(one), 0);
  return (
    <section
      className="rounded border border-line bg-panel px-3 py-2 flex flex-wrap gap-x-4 items-center"
      aria-label="Last minute"
    >
      <span className="text-muted">Last {seconds.length} s</span>
      <span>{(sum(({ requests }) => requests) / seconds.length).toFixed(1)} requests a second</span>
      <span>{short(sum(({ errors }) => errors))} errors</span>
      <span>{short(sum(({ output_tokens: tokens }) => tokens) / seconds.length)} tokens a second</span>
      <span>{money(sum(({ cost }) => Number(cost)))}</span>
      <span className="grow min-w-40">
        <Sparkline values={seconds.map(({ requests }) => requests)} label="Requests of each second" />
      </span>
    </section>
  );
}

/** Flips to figures with the first request: the query is repeated. */
function NothingYet() {
  return (
    <Empty
      title="No request in this range. This page shows the first one when it arrives."
      action={
        <span className="flex gap-3">
          <Link to="/welcome" className="underline text-accent">
            Set up in three steps
          </Link>
          <Link to="/playground" className="underline text-accent">
            Send one from the playground
          </Link>
          <Link to="/tenants" className="underline text-accent">
            Make a key
          </Link>
        </span>
      }
    />
  );
}

function Tiles({ now, before }: { readonly now: MetricResult; readonly before: MetricResult | undefined }) {
  const seconds = (Date.parse(now.to) - Date.parse(now.from)) / 1_000;
  const rate = (series: MetricSeries | undefined) => {
    const [requests, errors] = [totalOf(series, 'requests') ?? 0, totalOf(series, 'errors') ?? 0];
    return requests === 0 ? undefined : errors / requests;
  };
  const tile = (
    title: string,
    metric: string,
    format: (value: number | undefined) => string,
    isGood: 'more' | 'less' | 'neither',
  ) => ({
    title,
    value: format(totalOf(now.total, metric)),
    trend: numbersOf(now.total, metric),
    change: changeOf(totalOf(now.total, metric), totalOf(before?.total, metric)),
    isGood,
  });
  const errorRate = rate(now.total);
  const errors = numbersOf(now.total, 'errors');
  const p95 = totalOf(now.total, 'latency_p95');
  const tiles = [
    {
      ...tile('Requests', 'requests', short, 'neither'),
      note: `${((totalOf(now.total, 'requests') ?? 0) / seconds).toFixed(2)} a second`,
      filters: {},
    },
    {
      ...{ title: 'Error rate', value: percent(errorRate), trend: errors, isGood: 'less' as const },
      change: changeOf(errorRate, rate(before?.total)),
      tone: errorRate !== undefined && errorRate > 0.05 ? ('bad' as const) : undefined,
      filters: { status: '5xx' },
    },
    {
      ...tile('Latency p95', 'latency_p95', duration, 'less'),
      // The quantile is an estimate: those just below it belong to it, too.
      filters: p95 === undefined ? undefined : { min_duration_ms: String(Math.floor(p95 * 0.95)) },
    },
    tile('First token p95', 'ttft_p95', duration, 'less'),
    tile('Cost', 'cost', money, 'neither'),
    {
      ...tile('Saved by the cache', 'saved', money, 'more'),
      note: `${short(totalOf(now.total, 'cache_hits'))} hits`,
    },
  ];
  return (
    <div className="grid gap-2 grid-cols-2 md:grid-cols-3 xl:grid-cols-6">
      {tiles.map((one) => (
        <Tile key={one.title} {...one} />
      ))}
    </div>
  );
}

/** @returns the change against another value as a share; undefined where it says nothing */
function changeOf(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined || before === 0 ? undefined : now / before - 1;
}

function Lines({
  title,
  result,
  metric,
  format,
  onZoom,
}: {
  readonly title: string;
  readonly result: MetricResult | undefined;
  readonly metric: string;
  readonly format: (value: number | null) => string;
  readonly onZoom: (from: number, to: number) => void;
}) {
  const series = useMemo(() => {
    const lines: Series[] = (result?.series ?? []).map((one) => ({
      name: groupName(one),
      values: numbersOf(one, metric),
    }));
    return result?.other ? [...lines, { name: 'other', values: numbersOf(result.other, metric) }] : lines;
  }, [result, metric]);
  if (!result) return <Skeleton className="h-52" />;
  return <Chart title={title} times={result.times} series={series} format={format} onZoom={onZoom} />;
}

const QUANTILES = [
  ['latency_p50', 'p50'],
  ['latency_p95', 'p95'],
  ['latency_p99', 'p99'],
  ['ttft_p95', 'first token p95'],
] as const;

function Latency({
  result,
  onZoom,
}: {
  readonly result: MetricResult;
  readonly onZoom: (from: number, to: number) => void;
}) {
  const series = useMemo(
    () => QUANTILES.map(([metric, name]) => ({ name, values: numbersOf(result.total, metric) })),
    [result],
  );
  return (
    <Chart
      title="Latency (estimated)"
      times={result.times}
      series={series}
      format={duration}
      onZoom={onZoom}
    />
  );
}
