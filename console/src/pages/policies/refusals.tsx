import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { number } from '../../lib/format.ts';
import { groupName, numbersOf, totalOf, useMetrics } from '../../lib/metrics.ts';
import { useSession } from '../../lib/session.tsx';
import { Chart } from '../../ui/chart.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { RangePicker, useRange } from '../../ui/range-picker.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

interface Row {
  readonly name: string;
  readonly rejected: number;
  readonly requests: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { id: 'name', header: 'Group', cell: ({ name }) => name, width: 'minmax(12rem, 2fr)' },
  { id: 'rejected', header: 'Rejected', isNumber: true, cell: ({ rejected }) => number(rejected) },
  { id: 'requests', header: 'Of requests', isNumber: true, cell: ({ requests }) => number(requests) },
];

/** Requests that were rejected before they reached a target: limits, quotas, budgets, and bad input. */
export function Refusals() {
  const { tenant } = useSession();
  const range = useRange();
  const group = tenant === undefined ? 'tenant' : 'key';
  const all = useMetrics(range, { metrics: 'rejected', tenant });
  const groups = useMetrics(range, { metrics: 'rejected,requests', group_by: group, series: 50, tenant });
  const series = useMemo(
    () => [{ name: 'rejected', values: numbersOf(all.data?.total, 'rejected') }],
    [all.data],
  );
  const rows = (groups.data?.series ?? [])
    .map((one) => ({
      name: groupName(one),
      rejected: totalOf(one, 'rejected') ?? 0,
      requests: totalOf(one, 'requests') ?? 0,
    }))
    .filter(({ rejected }) => rejected > 0);
  const error = all.error ?? groups.error;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex gap-3 items-center justify-end">
        <Link to="/requests" search={{ status: '429' }} className="underline text-accent">
          Show those over a limit
        </Link>
        <RangePicker />
      </div>
      {error ? (
        <ErrorPanel what="The refusals could not be read" error={error} />
      ) : !all.data ? (
        <Skeleton className="h-64" />
      ) : rows.length === 0 ? (
        <Empty title="No request was rejected in this range." />
      ) : (
        <>
          <Chart title="Rejected requests" times={all.data.times} series={series} format={number} />
          <DataTable label="Rejected requests" columns={COLUMNS} rows={rows} rowKey={({ name }) => name} />
        </>
      )}
    </div>
  );
}
