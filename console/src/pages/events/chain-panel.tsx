import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { count, number } from '../../lib/format.ts';
import { Button } from '../../ui/button.tsx';
import { Badge, ErrorPanel, Skeleton, type Tone } from '../../ui/feedback.tsx';
import { RelativeTime } from '../../ui/time.tsx';

interface AuditChain {
  readonly from: number;
  readonly head: { readonly sequence: number; readonly hash: string };
  readonly last_anchor: { readonly sequence: number; readonly hash: string; readonly at: string } | null;
  readonly check: {
    readonly status: 'waiting' | 'running' | 'valid' | 'broken' | 'failed';
    readonly finished_at: string | null;
    readonly entries: number;
    readonly verified_to: number;
    readonly faults: readonly { readonly sequence: number; readonly message: string }[];
    readonly fault_count: number;
    readonly error: string | null;
  } | null;
}

const TONES: Readonly<Record<string, Tone>> = { valid: 'good', broken: 'bad', failed: 'warn' };
const RUNNING_MS = 500;

/** Whether an audit trail is as it was written. @param path of the trail */
export function ChainPanel({ path }: { readonly path: string }) {
  const client = useQueryClient();
  const [failed, setFailed] = useState<unknown>();
  const queryKey = ['audit chain', path];
  const { data, error, refetch } = useQuery({
    queryKey,
    queryFn: ({ signal }) => api.get<AuditChain>(`${path}/chain`, { signal }),
    refetchInterval: ({ state }) => (isPending(state.data) ? RUNNING_MS : false),
  });
  const verify = () => {
    setFailed(undefined);
    api
      .post<AuditChain>(`${path}/chain/verify`)
      .then((chain) => client.setQueryData(queryKey, chain))
      .catch(setFailed);
  };
  if (error) {
    return <ErrorPanel what="The chain could not be read" error={error} retry={() => void refetch()} />;
  }
  if (!data) return <Skeleton className="h-16" />;
  const { head, from, last_anchor: anchor, check } = data;
  return (
    <section aria-label="Chain" className="rounded border border-line bg-panel p-3 flex flex-col gap-2">
      <div className="flex flex-wrap gap-x-6 gap-y-1 items-center">
        <span aria-live="polite">
          <State check={check} head={head.sequence} />
        </span>
        <span className="text-muted">
          {head.sequence === 0
            ? 'no entry yet'
            : from > 1
              ? `entries ${number(from)} to ${number(head.sequence)}; retention deleted those before`
              : count(head.sequence, 'entry', 'entries')}
        </span>
        <span className="text-muted">
          {anchor ? (
            <>
              head {number(anchor.sequence)} logged <RelativeTime at={anchor.at} />
            </>
          ) : (
            'head not logged yet since the gateway started'
          )}
        </span>
        <Button className="ml-auto" onClick={verify} isBusy={isPending(data)}>
          Verify
        </Button>
      </div>
      {failed !== undefined && <ErrorPanel what="The verification did not begin" error={failed} />}
      {check && check.faults.length > 0 && (
        <ul role="alert" className="list-disc pl-5">
          {check.faults.map(({ sequence, message }) => (
            <li key={`${sequence} ${message}`}>{message}</li>
          ))}
          {check.fault_count > check.faults.length && (
            <li>{count(check.fault_count - check.faults.length, 'further fault')}</li>
          )}
        </ul>
      )}
      {check?.status === 'failed' && <p className="text-warn">{check.error}</p>}
    </section>
  );
}

const isPending = (chain: AuditChain | undefined) =>
  chain?.check?.status === 'running' || chain?.check?.status === 'waiting';

function State({ check, head }: { readonly check: AuditChain['check']; readonly head: number }) {
  if (!check) return <Badge>not verified since the gateway started</Badge>;
  const { status, verified_to: to, faults, finished_at: at } = check;
  if (status === 'waiting') return <Badge>waits for another verification</Badge>;
  if (status === 'running') return <Badge>{`verified to ${number(to)} of ${number(head)} ...`}</Badge>;
  const words: Readonly<Record<typeof status, string>> = {
    valid: `verified to entry ${number(to)}`,
    broken: `broken at entry ${number(faults[0]?.sequence ?? to)}`,
    failed: 'not verified',
  };
  return (
    <>
      <Badge tone={TONES[status] ?? 'neutral'}>{words[status]}</Badge> <RelativeTime at={at} />
    </>
  );
}
