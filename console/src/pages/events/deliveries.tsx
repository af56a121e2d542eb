import { useQuery } from '@tanstack/react-query';
import { api, pathOf } from '../../lib/api.ts';
import { time } from '../../lib/format.ts';
import { usePaged } from '../../lib/paged.ts';
import { usePageSearch } from '../../lib/search.ts';
import { attemptText, DELIVERY_STATES, type Delivery } from '../../lib/webhooks.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton, type Tone } from '../../ui/feedback.tsx';
import { useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';

const TONES: Readonly<Record<Delivery['state'], Tone>> = {
  pending: 'neutral',
  delivered: 'good',
  failed: 'bad',
};

const COLUMNS: readonly Column<Delivery>[] = [
  { id: 'at', header: 'When', cell: ({ created_at: at }) => <RelativeTime at={at} />, width: '7rem' },
  {
    ...{ id: 'state', header: 'State', width: '7rem' },
    cell: ({ state, attempts }) => (
      <Badge tone={state === 'pending' && attempts > 0 ? 'warn' : TONES[state]}>
        {state === 'pending' && attempts > 0 ? 'retrying' : state}
      </Badge>
    ),
  },
  {
    id: 'type',
    header: 'Event',
    cell: ({ type }) => <code className="font-mono">{type}</code>,
    width: 'minmax(12rem, 1fr)',
  },
  { id: 'attempts', header: 'Attempts', isNumber: true, cell: ({ attempts }) => attempts, width: '6rem' },
  {
    ...{ id: 'last', header: 'Last attempt', width: 'minmax(10rem, 2fr)' },
    cell: ({ log }) => {
      const last = log.at(-1);
      return last ? attemptText(last) : '–';
    },
  },
];
/** Deliveries are tried while the page is open. */
const READ_MS = 5_000;
const READ_PENDING_MS = 1_000;

/** The log of deliveries of a webhook. */
export function Deliveries({ path, mayChange }: { readonly path: string; readonly mayChange: boolean }) {
  const [search, change] = usePageSearch();
  const list = `${path}/deliveries`;
  const deliveries = usePaged<Delivery>(list, { state: search.state }, READ_MS);
  return (
    <Panel
      title="Deliveries"
      actions={
        <select
          aria-label="State of deliveries"
          className="rounded border border-line bg-panel h-7 px-1"
          value={search.state ?? ''}
          onChange={({ target }) => change({ state: target.value === '' ? undefined : target.value })}
        >
          <option value="">all states</option>
          {DELIVERY_STATES.map((state) => (
            <option key={state} value={state}>
              {state}
            </option>
          ))}
        </select>
      }
    >
      {deliveries.error ? (
        <ErrorPanel
          what="The deliveries could not be read"
          error={deliveries.error}
          retry={deliveries.refetch}
        />
      ) : deliveries.isLoading ? (
        <Skeleton className="h-32" />
      ) : deliveries.rows.length === 0 ? (
        <p className="text-muted">
          {search.state === undefined
            ? 'Nothing was sent yet. A test, or the next event that its filter selects, appears here.'
            : 'No delivery is in this state.'}
        </p>
      ) : (
        <DataTable
          label="Deliveries"
          columns={COLUMNS}
          rows={deliveries.rows}
          rowKey={({ id }) => id}
          onOpen={({ id }) => change({ delivery: id }, true)}
          onEnd={deliveries.more}
          isLoadingMore={deliveries.isLoadingMore}
          height="24rem"
        />
      )}
      {search.delivery !== undefined && (
        <OneDelivery
          path={pathOf(list, search.delivery)}
          mayChange={mayChange}
          onClose={() => change({ delivery: undefined }, true)}
        />
      )}
    </Panel>
  );
}

function OneDelivery({
  path,
  mayChange,
  onClose,
}: {
  readonly path: string;
  readonly mayChange: boolean;
  readonly onClose: () => void;
}) {
  const { data, error, refetch } = useQuery({
    queryKey: ['delivery', path],
    queryFn: ({ signal }) => api.get<Delivery>(path, { signal }),
    refetchInterval: ({ state }) => (state.data?.state === 'pending' ? READ_PENDING_MS : false),
  });
  const again = useForm(async () => {
    await api.post(`${path}/redeliver`);
  });
  return (
    <Dialog
      isOpen
      isWide
      onClose={onClose}
      title={data?.type ?? 'Delivery'}
      description={data && <code className="font-mono">{data.event}</code>}
    >
      {error ? (
        <ErrorPanel what="The delivery could not be read" error={error} retry={() => void refetch()} />
      ) : data ? (
        <div className="flex flex-col gap-3">
          <form onSubmit={again.onSubmit} className="flex flex-wrap gap-3 items-center">
            <Badge tone={TONES[data.state]}>{data.state}</Badge>
            {data.next_attempt_at !== null && (
              <span>
                next attempt <RelativeTime at={data.next_attempt_at} />
              </span>
            )}
            <span className="grow" />
            {mayChange && (
              <Button type="submit" isBusy={again.isBusy}>
                Send again
              </Button>
            )}
          </form>
          {again.error !== undefined && <ErrorPanel what="It was not sent again" error={again.error} />}
          {data.log.length === 0 && <p className="text-muted">No attempt was made yet.</p>}
          <ol aria-label="Attempts" className="flex flex-col gap-2">
            {data.log.map((attempt) => (
              <li key={attempt.at} className="rounded border border-line p-2 min-w-0">
                <div className="flex flex-wrap gap-2 items-center">
                  <Badge tone={attempt.error === null ? 'good' : 'bad'}>
                    {attempt.status ?? 'no response'}
                  </Badge>
                  <span className="break-words min-w-0">{attemptText(attempt)}</span>
                  <span className="text-muted ml-auto">{time(attempt.at)}</span>
                </div>
                {attempt.response !== '' && (
                  <pre className="mt-1 font-mono whitespace-pre-wrap break-all text-muted">
                    {attempt.response}
                  </pre>
                )}
              </li>
            ))}
          </ol>
          {data.payload !== undefined && (
            <figure className="rounded border border-line bg-bg">
              <figcaption className="flex items-center justify-between border-b border-line pl-3 pr-1 text-muted">
                Body of the requests <CopyButton text={data.payload} />
              </figcaption>
              <pre
                tabIndex={0}
                className="font-mono whitespace-pre-wrap break-all p-3 max-h-80 overflow-auto"
              >
                {formatted(data.payload)}
              </pre>
            </figure>
          )}
        </div>
      ) : (
        <Skeleton className="h-48" />
      )}
    </Dialog>
  );
}

function formatted(payload: string): string {
  try {
    return JSON.stringify(JSON.parse(payload), undefined, 2);
  } catch {
    // A payload of another version: as it was sent.
    return payload;
  }
}
