import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../lib/api.ts';
import { count, duration, money, number } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

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
      {mayClear && <Clear path={`${path}/clear`} tenant={tenant} />}
    </div>
  );
}

function Clear({ path, tenant }: { readonly path: string; readonly tenant: string | undefined }) {
  const client = useQueryClient();
  const [model, setModel] = useState('');
  const [tag, setTag] = useState('');
  const [found, setFound] = useState<number>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const selection = { ...(model === '' ? {} : { model }), ...(tag === '' ? {} : { tag }) };
  const look = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    api
      .post<{ cleared_keys: number }>(path, { ...selection, dry_run: true })
      .then(({ cleared_keys: keys }) => setFound(keys))
      .catch(setError)
      .finally(() => setBusy(false));
  };
  const all = model === '' && tag === '' ? (tenant ?? 'everything') : undefined;
  return (
    <Panel title="Clear">
      <form onSubmit={look} className="flex flex-wrap gap-3 items-end">
        <TextField
          label="Model"
          placeholder="all"
          value={model}
          onChange={({ target }) => setModel(target.value)}
        />
        <TextField
          label="Tag"
          placeholder="all"
          value={tag}
          onChange={({ target }) => setTag(target.value)}
        />
        <Button type="submit" isBusy={isBusy}>
          Count the entries
        </Button>
      </form>
      {error !== undefined && <ErrorPanel what="The entries could not be counted" error={error} />}
      {found !== undefined && (
        <ConfirmDialog
          isOpen
          onClose={() => setFound(undefined)}
          title="Clear the cache"
          lost={`${count(found, 'entry', 'entries')} will be removed. Requests for them go to a provider again, and cost money.`}
          action="Clear"
          onConfirm={async () => {
            await api.post(path, selection);
            await client.invalidateQueries({ queryKey: ['cache'] });
          }}
          {...(all === undefined ? {} : { name: all })}
        />
      )}
    </Panel>
  );
}
