import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../../lib/api.ts';
import { duration, money, number } from '../../lib/format.ts';
import { Snippet } from '../../ui/copy.tsx';
import { Drawer } from '../../ui/dialog.tsx';
import { Facts } from '../../ui/facts.tsx';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { Messages } from './messages.tsx';
import type { RequestDetails } from './request-types.ts';
import { StatusBadge } from './status-badge.tsx';
import { Timeline } from './timeline.tsx';

/** One request: where its time went, why it went where it went, and what it cost. */
export function RequestDrawer({
  id,
  tenant,
  onClose,
}: {
  readonly id: string;
  readonly tenant: string | undefined;
  readonly onClose: () => void;
}) {
  const { data, error, refetch } = useQuery({
    queryKey: ['request', id, tenant],
    queryFn: () =>
      api.get<RequestDetails>(`/admin/v1/requests/${encodeURIComponent(id)}`, { query: { tenant } }),
  });
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title="Request"
      description={<code className="font-mono select-all">{id}</code>}
    >
      {error ? (
        <ErrorPanel what="The request could not be read" error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-64" />
      ) : (
        <Details request={data} />
      )}
    </Drawer>
  );
}

function Details({ request }: { readonly request: RequestDetails }) {
  const last = request.attempts.at(-1);
  const output = last?.output_tokens;
  const first = request.first_event_ms;
  const perToken =
    first !== undefined && request.duration_ms !== undefined && output !== undefined && output > 1
      ? (request.duration_ms - first) / (output - 1)
      : undefined;
  return (
    <div className="flex flex-col gap-3">
      <Facts
        facts={[
          ['Status', <StatusBadge key="status" status={request.status ?? 0} outcome={request.outcome} />],
          ['Model', request.model],
          ['Target', last && `${last.provider}/${last.model}`],
          ['Tenant', request.tenant],
          ['Key', request.key],
          ['Person', request.user],
          ['Cost', request.cost === undefined ? sumOf(request) : money(request.cost)],
          ['Tokens', last && `${number(last.input_tokens)} in, ${number(output)} out`],
          ['Total', duration(request.duration_ms)],
          ['First token', first === undefined ? undefined : duration(first)],
          ['Per token', perToken === undefined ? undefined : duration(perToken)],
          ['Error', request.error],
          [
            'Cache',
            request.cache && `${request.cache.status}${request.cache.kind ? `, ${request.cache.kind}` : ''}`,
          ],
          ['Trace', request.trace_id && <code className="font-mono">{request.trace_id}</code>],
        ]}
      />
      <Panel title="Where the time went">
        <Timeline request={request} />
      </Panel>
      <Panel title="Why this target">
        {request.looks === undefined || request.looks.length === 0 ? (
          <p className="text-muted">
            {request.source === 'usage'
              ? 'Decisions are kept in memory for the last 2,000 requests of each gateway; this one is older.'
              : 'It reached no target.'}
          </p>
        ) : (
          <ul className="flex flex-col gap-2">
            {request.looks.map(({ model, because, strategy, targets = [], left_out = [] }, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the order of decisions is fixed
              <li key={index}>
                <p>
                  <code className="font-mono">{model}</code>: {because}, chosen by {strategy}
                </p>
                <Rows rows={targets} />
                {left_out.length > 0 && <p className="text-muted mt-1">Left out:</p>}
                <Rows rows={left_out} />
              </li>
            ))}
          </ul>
        )}
        {request.not_allowed?.map(({ model, because }) => (
          <p key={`${model} ${because}`}>
            {model} was not used: the key may not use it ({because}).
          </p>
        ))}
      </Panel>
      <Panel title="Price">
        {request.price.length === 0 ? (
          <p className="text-muted">No price is known for this model, or nothing was used.</p>
        ) : (
          <table className="w-full">
            <thead>
              <tr>
                {['Of', 'Tokens', 'US dollars per million', 'Cost'].map((title, index) => (
                  <th
                    key={title}
                    scope="col"
                    className={`font-medium ${index === 0 ? 'text-left' : 'text-right'}`}
                  >
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {request.price.map((line) => (
                <tr key={line.of} className="border-t border-line">
                  <td>{line.of.replaceAll('_', ' ')}</td>
                  <td className="text-right">{number(line.tokens)}</td>
                  <td className="text-right">{line.usd_per_million ?? '–'}</td>
                  <td className="text-right">{money(line.cost)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      {request.guardrails !== undefined && request.guardrails.length > 0 && (
        <Panel title="Changed on the way">
          <ul className="list-disc pl-5">
            {request.guardrails.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </Panel>
      )}
      <Messages request={request} />
      {request.model !== undefined && !request.messages && (
        <Link to="/playground" search={{ models: request.model }} className="underline text-accent">
          Try {request.model} in the playground
        </Link>
      )}
      <Snippet
        title="The same on the command line"
        code={`curl ${location.origin}/admin/v1/requests/${request.id} -H "Authorization: Bearer $WEIR_ADMIN_KEY"`}
      />
    </div>
  );
}

function sumOf({ price }: RequestDetails): string | undefined {
  const known = price.filter(({ cost }) => cost !== null);
  return known.length === 0 ? undefined : money(known.reduce((sum, { cost }) => sum + Number(cost), 0));
}

/** Facts of targets, as many as there are. */
function Rows({ rows }: { readonly rows: readonly Readonly<Record<string, unknown>>[] }) {
  return (
    <ul>
      {rows.map((row) => {
        const { provider, model, ...facts } = row;
        return (
          <li key={`${String(provider)}/${String(model)}`} className="flex flex-wrap gap-x-3">
            <code className="font-mono">
              {String(provider)}/{String(model)}
            </code>
            {Object.entries(facts).map(([name, value]) => (
              <span key={name} className="text-muted">
                {name.replaceAll('_', ' ')}{' '}
                {typeof value === 'object' ? JSON.stringify(value) : String(value)}
              </span>
            ))}
          </li>
        );
      })}
    </ul>
  );
}
