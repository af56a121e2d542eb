import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { duration, money, number, percent } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';

interface Side {
  readonly requests: number;
  readonly error_rate: number;
  readonly ms_per_token: number | null;
  readonly usd_per_request: number | null;
}

interface Canary {
  readonly model: string;
  readonly canary: string;
  readonly percent: number;
  readonly state: 'running' | 'rolled_back' | 'stopped';
  readonly reason: string | null;
  readonly sides: { readonly canary: Side; readonly stable: Side };
}

/** Models that serve a part of another's requests, with how both do. */
export function Canaries() {
  const { can } = useSession();
  const client = useQueryClient();
  const [failed, setFailed] = useState<unknown>();
  const { data, error, refetch } = useQuery({
    queryKey: ['canaries'],
    queryFn: () => api.get<{ data: readonly Canary[] }>('/admin/v1/canaries'),
    refetchInterval: 5_000,
  });
  if (error)
    return <ErrorPanel what="The canaries could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  if (data.data.length === 0) {
    return (
      <Empty title="No canary is configured. One sends a part of a model's requests to another model, and is rolled back when that fails more." />
    );
  }
  const act = (model: string, action: 'resume' | 'stop') => {
    setFailed(undefined);
    api
      .post('/admin/v1/canaries', { model, action })
      .then(() => client.invalidateQueries({ queryKey: ['canaries'] }))
      .catch(setFailed);
  };
  return (
    <div className="flex flex-col gap-3">
      {failed !== undefined && <ErrorPanel what="The canary was not changed" error={failed} />}
      {data.data.map(({ model, canary, percent: share, state, reason, sides }) => (
        <Panel
          key={model}
          title={`${canary} serves ${share}% of ${model}`}
          actions={
            can('platform:write') && (
              <Button onClick={() => act(model, state === 'running' ? 'stop' : 'resume')}>
                {state === 'running' ? 'Stop' : 'Resume'}
              </Button>
            )
          }
        >
          <p className="mb-2">
            <Badge tone={state === 'rolled_back' ? 'bad' : 'neutral'}>{state.replace('_', ' ')}</Badge>{' '}
            {reason}
          </p>
          <table>
            <thead>
              <tr>
                {['Side', 'Requests', 'Errors', 'Per token', 'Per request'].map((title) => (
                  <th key={title} scope="col" className="text-left pr-6 font-medium">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(['canary', 'stable'] as const).map((side) => (
                <tr key={side}>
                  <th scope="row" className="text-left pr-6 font-normal">
                    {side}
                  </th>
                  <td className="pr-6">{number(sides[side].requests)}</td>
                  <td className="pr-6">{percent(sides[side].error_rate)}</td>
                  <td className="pr-6">{duration(sides[side].ms_per_token)}</td>
                  <td className="pr-6">{money(sides[side].usd_per_request, true)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      ))}
    </div>
  );
}
