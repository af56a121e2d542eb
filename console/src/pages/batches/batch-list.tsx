import { useState } from 'react';
import { count, duration, money, number } from '../../lib/format.ts';
import { exampleModel, useChatModels } from '../../lib/models.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import {
  BATCH_STATUSES,
  BATCH_TONES,
  type Batch,
  batchSnippet,
  hasEnded,
  READ_WORK_MS,
  ranFor,
} from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { Snippet } from '../../ui/copy.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime, useNow } from '../../ui/time.tsx';
import { BatchDrawer } from './batch-drawer.tsx';
import { CreateBatch } from './create-batch.tsx';
import { AddedFilters, ChosenFilter, useFilters, WORK_FILTERS } from './work-filters.tsx';

const PATH = '/admin/v1/batches';

export function BatchState({ batch: { status } }: { readonly batch: Pick<Batch, 'status'> }) {
  return <Badge tone={BATCH_TONES[status]}>{status.replace('_', ' ')}</Badge>;
}

function Ran({ batch }: { readonly batch: Batch }) {
  const now = useNow(READ_WORK_MS);
  return <span>{duration(ranFor(batch, now))}</span>;
}

const COLUMNS: readonly Column<Batch>[] = [
  { id: 'at', header: 'Created', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '7.5rem' },
  { id: 'status', header: 'State', cell: (batch) => <BatchState batch={batch} />, width: '8.5rem' },
  {
    ...{ id: 'done', header: 'Done', isNumber: true, width: '7.5rem' },
    cell: ({ total, completed, failed }) =>
      total === 0 ? '–' : `${number(completed + failed)} of ${number(total)}`,
  },
  {
    ...{ id: 'failed', header: 'Failed', isNumber: true, width: '5rem' },
    cell: ({ failed }) => (failed === 0 ? '–' : number(failed)),
  },
  {
    ...{ id: 'models', header: 'Models', width: 'minmax(9rem, 2fr)' },
    cell: ({ models }) => models.join(', ') || '–',
  },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant },
  { id: 'key', header: 'Key', cell: ({ key_name: name }) => name, width: 'minmax(7rem, 1fr)' },
  { id: 'user', header: 'Person', cell: ({ user }) => user ?? '–', isHidden: true },
  { id: 'time', header: 'Ran for', isNumber: true, cell: (batch) => <Ran batch={batch} />, width: '6.5rem' },
  {
    ...{ id: 'cost', header: 'Cost', isNumber: true, width: '7rem' },
    cell: ({ cost_usd: cost, unpriced }) => money(cost, unpriced > 0),
  },
  { id: 'endpoint', header: 'Endpoint', cell: ({ endpoint }) => endpoint || '–', isHidden: true },
  {
    ...{ id: 'id', header: 'Id', isHidden: true, width: 'minmax(14rem, 1fr)' },
    cell: ({ id }) => <code className="font-mono">{id}</code>,
  },
];

/** The batches of a tenant, or of all. */
export function BatchList({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [search, change] = usePageSearch();
  const [isCreating, setCreating] = useState(false);
  const { query, isFiltered } = useFilters(['status', ...WORK_FILTERS.map(({ name }) => name)]);
  const batches = usePaged<Batch>(PATH, { ...query, tenant }, READ_WORK_MS);
  const opened = useOpened(batches, PATH, search.batch, 'filter');
  const mayCreate = tenant !== undefined && can('inference:use', tenant);
  const create = mayCreate && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Create a batch
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <ChosenFilter name="status" label="State" all="all states" options={BATCH_STATUSES} />
        <AddedFilters filters={WORK_FILTERS} />
        <span className="grow" />
        {(batches.rows.length > 0 || isFiltered) && create}
      </div>
      {opened.problem}
      {batches.error ? (
        <ErrorPanel what="The batches could not be read" error={batches.error} retry={batches.refetch} />
      ) : batches.isLoading ? (
        <Skeleton className="h-64" />
      ) : batches.rows.length === 0 ? (
        isFiltered ? (
          <Empty title="No batch matches the filters." />
        ) : (
          <NoBatch tenant={tenant} create={create} />
        )
      ) : (
        <DataTable
          label="Batches"
          columns={tenant === undefined ? COLUMNS : COLUMNS.filter(({ id }) => id !== 'tenant')}
          rows={batches.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ batch: id }, true)}
          onEnd={batches.more}
          isLoadingMore={batches.isLoadingMore}
        />
      )}
      {isCreating && tenant !== undefined && (
        <CreateBatch
          tenant={tenant}
          onClose={(created) => {
            setCreating(false);
            if (created !== undefined) change({ batch: created }, true);
          }}
        />
      )}
      {opened.row && (
        <BatchDrawer
          key={opened.row.id}
          batch={opened.row}
          onClose={() => change({ batch: undefined, outcome: undefined, line: undefined }, true)}
          onAgain={mayCreate ? () => setCreating(true) : undefined}
        />
      )}
    </div>
  );
}

function NoBatch({
  tenant,
  create,
}: {
  readonly tenant: string | undefined;
  readonly create: React.ReactNode;
}) {
  const { data: models } = useChatModels(tenant ?? '');
  return (
    <Empty
      title={
        tenant === undefined
          ? 'No tenant has a batch. Choose a tenant at the top left to create one.'
          : 'There is no batch. One runs many requests of a file, at batch prices, when others leave room.'
      }
      action={create}
    >
      <Snippet title="Create one with the API" code={batchSnippet(location.origin, exampleModel(models))} />
    </Empty>
  );
}

/** How far a batch is, in a sentence. */
export function progressText(batch: Batch): string {
  const { total, completed, failed, unfinished } = batch;
  if (total === 0) return hasEnded(batch) ? 'No line ran.' : 'Its lines are counted while they are checked.';
  const parts = [`${number(completed)} completed`, `${number(failed - unfinished)} failed`];
  if (unfinished > 0) parts.push(`${number(unfinished)} did not run`);
  return `${count(total, 'line')}: ${parts.join(', ')}`;
}
