import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import { duration, money, number } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { ClearCache } from './clear-cache.tsx';
import { SemanticReport } from './semantic-report.tsx';

interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly errors: number;
  readonly total_requests: number;
  readonly hit_rate_percent: number;
  readonly saved_usd: string;
  readonly saved_seconds: number;
}

interface CacheStats {
  readonly models: Readonly<Record<string, Counts>>;
  readonly tenants?: Readonly<Record<string, Counts>>;
}

type Row = Counts & { readonly name: string };

const COLUMNS: readonly Column<Row>[] = [
  { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(10rem, 2fr)' },
  { id: 'rate', header: 'Hit rate', isNumber: true, cell: (row) => `${row.hit_rate_percent}%` },
  { id: 'hits', header: 'Hits', isNumber: true, cell: ({ hits }) => number(hits) },
  { id: 'misses', header: 'Misses', isNumber: true, cell: ({ misses }) => number(misses) },
  { id: 'errors', header: 'Errors', isNumber: true, cell: ({ errors }) => number(errors) },
  { id: 'saved', header: 'Saved', isNumber: true, cell: (row) => money(row.saved_usd) },
  {
    ...{ id: 'time', header: 'Time saved', isNumber: true },
    cell: (row) => duration(row.saved_seconds * 1_000),
  },
];

const rowsOf = (counts: Readonly<Record<string, Counts>> | undefined): Row[] =>
  Object.entries(counts ?? {}).map(([name, one]) => ({ name, ...one }));

/** What the cache served in the last day, and a way to clear it. */
export function CacheReport() {
  const { tenant, can } = useSession();
  const path = tenant === undefined ? '/admin/v1/cache' : `/admin/v1/tenants/${tenant}/cache`;
  const { data, error, refetch } = useQuery({
    queryKey: ['cache', tenant],
    queryFn: () => api.get<CacheStats>(path),
    refetchInterval: 10_000,
  });
  const mayClear = tenant === undefined ? can('platform:write') : can('tenant:write', tenant);
  const models = rowsOf(data?.models);
  const sumOf = (of: (row: Row) => number) => models.reduce((sum, row) => sum + of(row), 0);
  return (
    <div className="flex flex-col gap-3">
      {error ? (
        <ErrorPanel what="The cache could not be read" error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-48" />
      ) : models.length === 0 ? (
        <Empty title="The cache has served nothing in the last 24 hours. It is off until the configuration has a section cache." />
      ) : (
        <>
          <p>
            <span className="text-muted">In the last 24 hours </span>
            {number(sumOf(({ hits }) => hits))} hits saved {money(sumOf((row) => Number(row.saved_usd)))} and{' '}
            {duration(sumOf((row) => row.saved_seconds) * 1_000)}.
          </p>
          <DataTable label="Cache by model" columns={COLUMNS} rows={models} rowKey={({ name }) => name} />
          {data.tenants && (
            <DataTable
              label="Cache by tenant"
              columns={COLUMNS}
              rows={rowsOf(data.tenants)}
              rowKey={({ name }) => name}
            />
          )}
        </>
      )}
      <SemanticReport tenant={tenant} />
      {mayClear && <ClearCache path={`${path}/clear`} tenant={tenant} />}
    </div>
  );
}
