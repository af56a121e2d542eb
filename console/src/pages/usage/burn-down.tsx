import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { api } from '../../lib/api.ts';
import { money, number, percent, short, time } from '../../lib/format.ts';
import { type LimitUse, limitText } from '../../lib/tenancy.ts';
import { Chart } from '../../ui/chart.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Meter, NEAR } from '../../ui/meter.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { monthSeries, type Quantity, reachedAt, useForecast } from './use-forecast.ts';

const DAY_MS = 86_400_000;
/** Share of a period that has to be over before a comparison says something. */
const MIN_SHARE = 0.02;

interface Budget extends LimitUse {
  readonly share: number;
  /** Share of its period that is over. */
  readonly over: number;
}

const keyOf = ({ scope, subject_id: id, of, per, mode }: LimitUse) => `${scope} ${id} ${of} ${per} ${mode}`;
const QUANTITIES: readonly string[] = ['cost', 'requests', 'tokens'] satisfies readonly Quantity[];
const isQuantity = (of: string): of is Quantity => QUANTITIES.includes(of);

/** Budgets and quotas of a tenant: how much is left, and how long it lasts at this pace. */
export function BurnDown({ tenant }: { readonly tenant: string }) {
  const now = useNow(60_000);
  const [opened, setOpened] = useState<string>();
  const { data, error, refetch } = useQuery({
    queryKey: ['limits', tenant],
    queryFn: () => api.get<{ data: readonly LimitUse[] }>(`/admin/v1/tenants/${tenant}/limits`),
    refetchInterval: 60_000,
  });
  const budgets = useMemo(() => budgetsOf(data?.data ?? [], now), [data, now]);
  if (error)
    return <ErrorPanel what="The budgets could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-32" />;
  if (budgets.length === 0) {
    return (
      <Empty title="No budget or quota holds here. Limits and budgets are set with tenants, keys and people." />
    );
  }
  const shown = budgets.find((one) => keyOf(one) === opened);
  const columns: readonly Column<Budget>[] = [
    {
      ...{ id: 'subject', header: 'Of', width: 'minmax(9rem, 2fr)' },
      cell: ({ scope, subject }) => `${scope} ${subject}`,
    },
    { id: 'limit', header: 'Limit', cell: limitText, width: 'minmax(12rem, 1fr)' },
    {
      ...{ id: 'used', header: 'Used', isNumber: true, width: '7rem' },
      cell: ({ of, used }) => amountText(of, Number(used ?? 0)),
    },
    {
      ...{ id: 'left', header: 'Left', isNumber: true, width: '7rem' },
      cell: ({ of, max, used }) => amountText(of, Math.max(0, Number(max) - Number(used ?? 0))),
    },
    {
      ...{ id: 'share', header: 'Share', width: '9rem' },
      cell: (budget) => (
        <span className="flex gap-2 items-center">
          <span className="w-10 text-right">{percent(budget.share)}</span>
          <span className="grow">
            <Meter label={`${limitText(budget)} of ${budget.subject}, used`} share={budget.share} />
          </span>
        </span>
      ),
    },
    {
      ...{ id: 'over', header: 'Of its period', width: '12rem' },
      cell: (budget) => <Pace {...budget} />,
    },
    {
      ...{ id: 'resets', header: 'Starts over', width: '8rem' },
      cell: ({ resets_at: at }) => <RelativeTime at={at} />,
    },
  ];
  return (
    <div className="flex flex-col gap-3">
      <DataTable
        label="Budgets and quotas"
        columns={columns}
        rows={budgets}
        rowKey={keyOf}
        onOpen={(budget) => setOpened(keyOf(budget) === opened ? undefined : keyOf(budget))}
        height="20rem"
      />
      {shown && shown.per === 'month' && isQuantity(shown.of) && (
        <BurnDownChart tenant={tenant} budget={shown} quantity={shown.of} />
      )}
      {shown && shown.per !== 'month' && (
        <p className="text-muted">
          {limitText(shown)} starts over each day: charts are for budgets and quotas of a month.
        </p>
      )}
    </div>
  );
}

/** Compares what is used with what is over: facts. When a budget ends is the gateway's forecast, in its chart. */
function Pace({ share, over, mode }: Budget) {
  return (
    <span className="inline-flex gap-2 items-center">
      {percent(over)} over
      {share >= 1 ? (
        <Badge tone={mode === 'enforce' ? 'bad' : 'warn'}>used up</Badge>
      ) : share >= NEAR ? (
        <Badge tone="warn">near</Badge>
      ) : (
        over >= MIN_SHARE && share > over && <Badge tone="warn">ahead</Badge>
      )}
    </span>
  );
}

function amountText(of: string, value: number): string {
  return of === 'cost' ? money(value) : number(value);
}

function budgetsOf(uses: readonly LimitUse[], now: number): Budget[] {
  return uses
    .flatMap((use): Budget[] => {
      const { used, max, per, resets_at: resetsAt } = use;
      if (used === null || resetsAt === null || Number(max) === 0) return [];
      const end = Date.parse(resetsAt);
      const start = per === 'day' ? end - DAY_MS : monthBefore(end);
      const over = Math.max(0, Math.min(1, (now - start) / (end - start)));
      return [{ ...use, share: Number(used) / Number(max), over }];
    })
    .sort((one, other) => other.share - one.share);
}

/** The same day a month before; the end of a month is the start of the next one. */
function monthBefore(end: number): number {
  // In the middle of the last day, so that no time zone moves it into another month.
  const last = new Date(end - DAY_MS / 2);
  const days = new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth() + 1, 0)).getUTCDate();
  return end - days * DAY_MS;
}

function BurnDownChart({
  tenant,
  budget,
  quantity,
}: {
  readonly tenant: string;
  readonly budget: Budget;
  readonly quantity: Quantity;
}) {
  const { scope, subject_id: id, subject } = budget;
  const filter = scope === 'tenant' ? {} : { [scope]: id };
  const { data, error, refetch } = useForecast(tenant, filter);
  const max = Number(budget.max);
  const chart = useMemo(() => {
    if (!data) return undefined;
    const month = monthSeries(data, quantity, Date.now());
    const { times, used, expected } = month;
    const left = (value: number | null) => (value === null ? null : Math.max(0, max - value));
    return {
      times,
      usedUpAt: reachedAt(month, max),
      leftAtEnd: max - Number(data[quantity].expected),
      series: [
        { name: 'left', values: used.map(left) },
        { name: 'expected', values: expected.map(left) },
      ],
    };
  }, [data, quantity, max]);
  if (error)
    return <ErrorPanel what="Its use could not be read" error={error} retry={() => void refetch()} />;
  if (!chart) return <Skeleton className="h-52" />;
  const ofWhom = `${scope} ${subject}`;
  return (
    <div className="flex flex-col gap-2">
      <Chart
        title={`Left of ${limitText(budget)}, ${ofWhom}`}
        times={chart.times}
        series={chart.series}
        format={quantity === 'cost' ? money : short}
        syncKey="month"
      />
      <p>
        {chart.usedUpAt === undefined
          ? `Expected to last: ${amountText(quantity, chart.leftAtEnd)} left at the end of the month.`
          : chart.usedUpAt <= Date.now()
            ? `Used up ${time(chart.usedUpAt)}.`
            : `Expected to be used up ${time(chart.usedUpAt)}.`}
      </p>
    </div>
  );
}
