import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { duration, number } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';

interface Engine {
  readonly id: string;
  readonly state: string;
  readonly pid: number | null;
  readonly in_flight: number;
  readonly waiting: number;
  readonly loads: number;
  readonly last_failure: string | null;
  readonly loaded_seconds: number | null;
  readonly idle_seconds: number | null;
  readonly output: readonly string[];
}

/** Engines that this gateway starts on demand. */
export function Engines() {
  const { data, error, refetch } = useQuery({
    queryKey: ['engines'],
    queryFn: () => api.get<{ data: readonly Engine[] }>('/admin/v1/engines'),
    refetchInterval: 3_000,
  });
  if (error)
    return <ErrorPanel what="The engines could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  if (data.data.length === 0) {
    return (
      <Empty title="No engine is configured to be started by this gateway: see engines on demand in the routing page of the documentation." />
    );
  }
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      {data.data.map((engine) => (
        <EngineCard key={engine.id} {...engine} />
      ))}
    </div>
  );
}

function EngineCard(engine: Engine) {
  const { id, state, pid, in_flight, waiting, loads, last_failure, loaded_seconds, idle_seconds, output } =
    engine;
  const { can } = useSession();
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const isLoaded = pid !== null;
  const act = () => {
    setBusy(true);
    setError(undefined);
    api
      .post('/admin/v1/engines', { id, action: isLoaded ? 'unload' : 'load' })
      .then(() => client.invalidateQueries({ queryKey: ['engines'] }))
      .catch(setError)
      .finally(() => setBusy(false));
  };
  const seconds = (value: number | null) => (value === null ? '–' : duration(value * 1_000));
  return (
    <Panel
      title={id}
      actions={
        can('platform:write') && (
          <Button onClick={act} isBusy={isBusy}>
            {isLoaded ? 'Unload' : 'Load'}
          </Button>
        )
      }
    >
      <div className="flex flex-col gap-2">
        <p className="flex flex-wrap gap-3">
          <Badge tone={state === 'ready' ? 'good' : state === 'failed' ? 'bad' : 'neutral'}>{state}</Badge>
          <span>{number(in_flight)} in flight</span>
          <span>{number(waiting)} waiting</span>
          <span>loaded {number(loads)} times</span>
          <span>ready for {seconds(loaded_seconds)}</span>
          <span>idle for {seconds(idle_seconds)}</span>
        </p>
        {last_failure && <p className="text-bad">{last_failure}</p>}
        {error !== undefined && <ErrorPanel what="The engine was not changed" error={error} />}
        <details>
          <summary className="cursor-pointer">Output</summary>
          <pre className="font-mono overflow-auto max-h-64 rounded bg-raised p-2">{output.join('\n')}</pre>
        </details>
      </div>
    </Panel>
  );
}
