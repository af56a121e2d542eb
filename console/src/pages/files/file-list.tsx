import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { bytes, time } from '../../lib/format.ts';
import { exampleModel, useChatModels } from '../../lib/models.ts';
import { useOpened } from '../../lib/opened.tsx';
import { usePaged } from '../../lib/paged.ts';
import { readOthersAgain } from '../../lib/removed.ts';
import { usePageSearch } from '../../lib/search.ts';
import { useSession } from '../../lib/session.tsx';
import { batchSnippet, isOwn, READ_WORK_MS, type StoredFile } from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { Snippet } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Facts } from '../../ui/facts.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { AddedFilters, ChosenFilter, useFilters } from '../batches/work-filters.tsx';

const PATH = '/admin/v1/files';
const PURPOSES = ['batch', 'batch_output', 'user_data', 'assistants', 'fine-tune', 'vision', 'evals'];
const FILTERS = [
  { name: 'key', label: 'Key id' },
  { name: 'user', label: 'Person id' },
] as const;

const COLUMNS: readonly Column<StoredFile>[] = [
  { id: 'at', header: 'Created', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '7.5rem' },
  { id: 'name', header: 'Name', cell: ({ filename }) => filename, width: 'minmax(14rem, 3fr)' },
  {
    ...{ id: 'purpose', header: 'Purpose', width: '9rem' },
    cell: ({ purpose }) => <code className="font-mono">{purpose}</code>,
  },
  { id: 'size', header: 'Size', isNumber: true, cell: (file) => bytes(file.bytes), width: '7rem' },
  { id: 'tenant', header: 'Tenant', cell: ({ tenant }) => tenant },
  {
    ...{ id: 'expires', header: 'Expires', width: '8rem' },
    cell: ({ expires_at: at }) => (at === null ? 'never' : <RelativeTime at={at} />),
  },
  {
    ...{ id: 'id', header: 'Id', isHidden: true, width: 'minmax(14rem, 1fr)' },
    cell: ({ id }) => <code className="font-mono">{id}</code>,
  },
];

/** The files of a tenant, or of all: what batches read and write. */
export function FileList({ tenant }: { readonly tenant: string | undefined }) {
  const [search, change] = usePageSearch();
  const { query, isFiltered } = useFilters(['purpose', 'key', 'user']);
  const files = usePaged<StoredFile>(PATH, { ...query, tenant }, READ_WORK_MS);
  const opened = useOpened(files, PATH, search.file, 'filter');
  const { data: models } = useChatModels(tenant ?? '');
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-end">
        <ChosenFilter name="purpose" label="Purpose" all="all purposes" options={PURPOSES} />
        <AddedFilters filters={FILTERS} />
      </div>
      {opened.problem}
      {files.error ? (
        <ErrorPanel what="The files could not be read" error={files.error} retry={files.refetch} />
      ) : files.isLoading ? (
        <Skeleton className="h-64" />
      ) : files.rows.length === 0 ? (
        isFiltered ? (
          <Empty title="No file matches the filters." />
        ) : (
          <Empty
            title="There is no file. Uploads for batches appear here, and the results that batches write."
            action={
              <Button onClick={() => change({ tab: undefined }, true)}>Create a batch with a file</Button>
            }
          >
            <Snippet
              title="Upload one with the API"
              code={batchSnippet(location.origin, exampleModel(models))}
            />
          </Empty>
        )
      ) : (
        <DataTable
          label="Files"
          columns={tenant === undefined ? COLUMNS : COLUMNS.filter(({ id }) => id !== 'tenant')}
          rows={files.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ file: id }, true)}
          onEnd={files.more}
          isLoadingMore={files.isLoadingMore}
        />
      )}
      {opened.row && (
        <OneFile key={opened.row.id} file={opened.row} onClose={() => change({ file: undefined }, true)} />
      )}
    </div>
  );
}

function OneFile({ file, onClose }: { readonly file: StoredFile; readonly onClose: () => void }) {
  const { me, can } = useSession();
  const client = useQueryClient();
  const [isDeleting, setDeleting] = useState(false);
  const path = `/admin/v1/tenants/${file.tenant}/files/${file.id}`;
  const mayRead = can('requests:read', file.tenant) || isOwn(me, file);
  const mayDelete = can('limits:write', file.tenant) || isOwn(me, file);
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title={file.filename}
      description={<code className="font-mono break-all select-all">{file.id}</code>}
    >
      <div className="flex flex-col gap-3">
        <Facts
          facts={[
            ['Purpose', file.purpose],
            ['Size', bytes(file.bytes)],
            ['Tenant', file.tenant],
            ['Key', file.key ?? 'written by Weir'],
            ['Person', file.user],
            ['Created', time(file.created_at)],
            ['Expires', file.expires_at === null ? 'never' : time(file.expires_at)],
            ['SHA-256', <code key="sha256">{file.sha256}</code>],
          ]}
        />
        <div className="flex flex-wrap gap-2 items-center">
          {mayRead ? (
            <a
              href={`${path}/content`}
              download
              className="rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
            >
              Download
            </a>
          ) : (
            <p className="text-muted">
              Its content is shown to the person who created it, and to owners and administrators of{' '}
              {file.tenant}.
            </p>
          )}
          <span className="grow" />
          {mayDelete && (
            <Button variant="danger" onClick={() => setDeleting(true)}>
              Delete
            </Button>
          )}
        </div>
        <Snippet
          title="The same with the API"
          code={`curl -OJ ${location.origin}${path}/content -H "Authorization: Bearer $WEIR_ADMIN_KEY"`}
        />
      </div>
      {isDeleting && (
        <ConfirmDialog
          isOpen
          onClose={() => setDeleting(false)}
          title="Delete the file"
          lost={
            <p>
              {bytes(file.bytes)} of {file.filename}. It cannot be taken back.
            </p>
          }
          name={file.filename}
          action="Delete"
          onConfirm={async () => {
            await api.delete(path);
            onClose();
            await readOthersAgain(client, file.id);
          }}
        />
      )}
    </Dialog>
  );
}
