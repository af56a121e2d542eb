import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { money, number } from '../../lib/format.ts';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { type BatchDetails, hasEnded, type LineResult } from '../../lib/work.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

/** Results of one page: each has a response. */
const PAGE = 50;
/** While a batch runs, the list is read again; another size keeps its pages apart from those of the ended batch. */
const PAGE_RUNNING = 25;
const PREVIEW = 160;

const COLUMNS: readonly Column<LineResult>[] = [
  {
    ...{ id: 'line', header: 'Line', isNumber: true, width: '4.5rem' },
    cell: ({ line }) => (line === null ? '–' : number(line)),
  },
  { id: 'id', header: 'Custom id', cell: ({ custom_id: id }) => id, width: 'minmax(7rem, 1fr)' },
  { id: 'status', header: 'Result', cell: (result) => <Outcome result={result} />, width: '7rem' },
  {
    ...{ id: 'body', header: 'Response', width: 'minmax(11rem, 3fr)' },
    cell: ({ body }) => preview(body),
  },
  { id: 'cost', header: 'Cost', isNumber: true, cell: ({ cost_usd: cost }) => money(cost), width: '8rem' },
];

function Outcome({ result: { status, error } }: { readonly result: LineResult }) {
  if (error === null) return <Badge tone="good">{status ?? 'done'}</Badge>;
  return <Badge tone={status === null ? 'warn' : 'bad'}>{status ?? error.replaceAll('_', ' ')}</Badge>;
}

/** The results of the lines of a batch, those that are there. */
export function Results({ path, batch }: { readonly path: string; readonly batch: BatchDetails }) {
  const [search, change] = usePageSearch();
  const [opened, setOpened] = useState<LineResult>();
  const list = `${path}/results`;
  const isWritten = hasEnded(batch);
  const results = usePaged<LineResult>(list, {
    ...{ outcome: search.outcome, limit: isWritten ? PAGE : PAGE_RUNNING },
  });
  return (
    <Panel
      title="Results"
      actions={
        <>
          {!isWritten && (
            <Button variant="quiet" onClick={results.refetch}>
              Read again
            </Button>
          )}
          <select
            aria-label="Which results"
            className="rounded border border-line bg-panel h-7 px-1"
            value={search.outcome ?? ''}
            onChange={({ target }) => change({ outcome: target.value === '' ? undefined : target.value })}
          >
            <option value="">all</option>
            <option value="completed">completed</option>
            <option value="failed">failed</option>
          </select>
        </>
      }
    >
      {results.error ? (
        <ErrorPanel what="The results could not be read" error={results.error} retry={results.refetch} />
      ) : results.isLoading ? (
        <Skeleton className="h-32" />
      ) : results.rows.length === 0 ? (
        <p className="text-muted">
          {search.outcome !== undefined
            ? `No line has ${search.outcome}.`
            : isWritten
              ? 'No line ran.'
              : 'No line has ended yet.'}
        </p>
      ) : (
        <DataTable
          label="Results"
          columns={COLUMNS}
          rows={results.rows}
          rowKey={(result) => `${result.line} ${result.custom_id}`}
          onOpen={setOpened}
          onEnd={results.more}
          isLoadingMore={results.isLoadingMore}
          height="24rem"
        />
      )}
      {opened && <OneResult tenant={batch.tenant} result={opened} onClose={() => setOpened(undefined)} />}
    </Panel>
  );
}

function OneResult({
  tenant,
  result,
  onClose,
}: {
  readonly tenant: string;
  readonly result: LineResult;
  readonly onClose: () => void;
}) {
  const { request_id: request, custom_id: id, error, cost_usd: cost } = result;
  return (
    <Dialog isOpen isWide onClose={onClose} title={id === '' ? 'A line' : id}>
      <div className="flex flex-col gap-3">
        <div className="flex flex-wrap gap-3 items-center">
          <Outcome result={result} />
          {error !== null && <code className="font-mono">{error}</code>}
          <span>{cost === null ? 'cost unknown' : money(cost)}</span>
          <span className="grow" />
          {request !== null && (
            <Link
              to="/requests"
              search={{ request, of: tenant }}
              className="rounded border border-line bg-panel px-2.5 h-8 inline-flex items-center font-medium hover:bg-raised"
            >
              Open its request
            </Link>
          )}
        </div>
        <JsonBlock title="Response" value={result.body} />
      </div>
    </Dialog>
  );
}

/** JSON or a text, to read and to copy. */
export function JsonBlock({ title, value }: { readonly title: string; readonly value: unknown }) {
  if (value === null || value === undefined) {
    return <p className="text-muted">{title}: there is none.</p>;
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
  return (
    <figure className="rounded border border-line bg-panel min-w-0">
      <figcaption className="flex items-center justify-between border-b border-line pl-3 pr-1 text-muted">
        {title} <CopyButton text={text} />
      </figcaption>
      <pre tabIndex={0} className="font-mono whitespace-pre-wrap break-words p-3 max-h-[50vh] overflow-auto">
        {text}
      </pre>
    </figure>
  );
}

/** The beginning of what a response says, whatever its dialect. */
export function preview(body: unknown): string {
  if (body === null || body === undefined) return '–';
  const said = textIn(body) ?? (typeof body === 'string' ? body : JSON.stringify(body));
  return said.length > PREVIEW ? `${said.slice(0, PREVIEW)}...` : said;
}

/** The first text that a person would read: of a message, or of an error. */
function textIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const lists = ['choices', 'content', 'output'].map((name) => memberOf(body, name));
  const first = memberOf(
    lists.find((list) => Array.isArray(list) && list.length > 0),
    0,
  );
  const message = memberOf(first, 'message') ?? first;
  const inner = memberOf(message, 'content');
  for (const text of [inner, memberOf(memberOf(inner, 0), 'text'), memberOf(message, 'text')]) {
    if (typeof text === 'string') return text;
  }
  const reason = memberOf(memberOf(body, 'error'), 'message');
  return typeof reason === 'string' ? reason : undefined;
}

function memberOf(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
