import { useMemo } from 'react';
import { money, percent, short } from '../../lib/format.ts';
import { Chart, type Series } from '../../ui/chart.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { monthSeries, type Quantity, useForecast } from './use-forecast.ts';

const METHODS = {
  weekday: 'each day that is left as its weekday was in the last four weeks',
  pace: 'each day that is left as the mean of the last seven days',
  today: 'each day that is left as today: there are no days before it',
} as const;

/** What this month will have cost at its end, by the pace of the days before. */
export function Forecast({
  tenant,
  quantity,
}: {
  readonly tenant: string | undefined;
  readonly quantity: Quantity;
}) {
  const { data, error, refetch } = useForecast(tenant);
  const chart = useMemo(() => {
    if (!data) return undefined;
    const { times, used, expected, low, high } = monthSeries(data, quantity, Date.now());
    const series: readonly Series[] = [
      { name: 'used', values: used },
      { name: 'expected', values: expected },
      ...(data[quantity].low === null
        ? []
        : [
            { name: 'low', values: low },
            { name: 'high', values: high },
          ]),
    ];
    return { times, series };
  }, [data, quantity]);
  if (error) {
    return <ErrorPanel what="The forecast could not be read" error={error} retry={() => void refetch()} />;
  }
  if (!data || !chart) return <Skeleton className="h-64" />;
  const { used, expected, low, high, last_month: last } = data[quantity];
  const isMoney = quantity === 'cost';
  const show = (value: number | string, isEstimate = false) =>
    isMoney ? money(value, isEstimate) : `${isEstimate ? '~' : ''}${short(Number(value))}`;
  const change = Number(last) === 0 ? undefined : Number(expected) / Number(last) - 1;
  const facts = [
    ['used so far', show(used)],
    ['expected at its end', show(expected, true)],
    ['range', low === null || high === null ? 'too few days' : `${show(low)} to ${show(high)}`],
    ['last month', show(last)],
    [
      'against last month',
      change === undefined ? '–' : `${change >= 0 ? '+' : '−'}${percent(Math.abs(change))}`,
    ],
  ];
  return (
    <section aria-label="This month" className="flex flex-col gap-2 min-w-0">
      <dl className="flex flex-wrap gap-x-6 gap-y-1 items-baseline">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="text-muted">{name}</dt>
            <dd className="font-semibold">{value}</dd>
          </div>
        ))}
      </dl>
      <Chart
        title={`${data.month}, since its first day${isMoney ? ' (US dollars)' : ''}`}
        times={chart.times}
        series={chart.series}
        format={isMoney ? money : short}
        syncKey="month"
      />
      <p className="text-muted">
        Expected: {METHODS[data.method]}. Four of five months end within the range, if days stay as they were.
        Days are those of {data.time_zone}.
      </p>
    </section>
  );
}
