import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import { money } from '../../lib/format.ts';
import { ErrorPanel, Skeleton } from '../../ui/feedback.tsx';

interface DryRun {
  readonly model: string | null;
  readonly did_you_mean: readonly string[];
  readonly road: readonly {
    readonly provider: string;
    readonly model: string;
    readonly expected_cost_usd: string | null;
  }[];
  readonly waits_for: readonly string[];
  readonly looks: readonly {
    readonly model: string;
    readonly because: string;
    readonly strategy: string;
    readonly left_out: readonly {
      readonly provider: string;
      readonly model: string;
      readonly reason: string;
    }[];
  }[];
}

/** Where the gateway would send a request now, and why. */
export function RoutePreview({
  tenant,
  model,
  body,
}: {
  readonly tenant: string;
  readonly model: string;
  readonly body: Readonly<Record<string, unknown>>;
}) {
  const { data, error, refetch } = useQuery({
    queryKey: ['route', tenant, model, body],
    queryFn: () => api.post<DryRun>('/admin/v1/route', { request: { ...body, model }, tenant }),
  });
  if (error) return <ErrorPanel what="The route is not known" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-16" />;
  if (data.model === null) {
    return (
      <p>
        No model has this name.{' '}
        {data.did_you_mean.length > 0 && `Did you mean ${data.did_you_mean.join(' or ')}?`}
      </p>
    );
  }
  return (
    <div className="flex flex-col gap-2">
      <ol className="list-decimal pl-5">
        {data.road.map(({ provider, model: upstream, expected_cost_usd: cost }) => (
          <li key={`${provider}/${upstream}`}>
            <code className="font-mono">
              {provider}/{upstream}
            </code>
            {cost !== null && <span className="text-muted"> about {money(cost, true)}</span>}
          </li>
        ))}
      </ol>
      {data.waits_for.length > 0 && <p>It would wait for a place at {data.waits_for.join(', ')}.</p>}
      {data.looks.map(({ model: looked, because, strategy, left_out }) => (
        <div key={`${looked} ${because}`}>
          <p className="text-muted">
            {looked}: {because}, chosen by {strategy}
          </p>
          {left_out.map(({ provider, model: upstream, reason }) => (
            <p key={`${provider}/${upstream}`}>
              <code className="font-mono">
                {provider}/{upstream}
              </code>{' '}
              left out: {reason}
            </p>
          ))}
        </div>
      ))}
    </div>
  );
}
