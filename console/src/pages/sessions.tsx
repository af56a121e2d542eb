import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { Button } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../ui/feedback.tsx';
import { RelativeTime } from '../ui/time.tsx';

interface SessionObject {
  readonly id: string;
  readonly current: boolean;
  readonly address: string;
  readonly agent: string;
  readonly created_at: string;
  readonly last_seen_at: string;
  readonly expires_at: string;
}

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/HeadlessChrome\//, 'Chrome without a window'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
  [/^curl\//, 'curl'],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
];

/** @returns `Firefox on Linux`, or the beginning of a header that says neither */
export function deviceOf(agent: string): string {
  const of = (names: typeof BROWSERS) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const [browser, system] = [of(BROWSERS), of(SYSTEMS)];
  if (browser === undefined) return agent === '' ? 'unknown device' : agent.slice(0, 40);
  return system === undefined ? browser : `${browser} on ${system}`;
}

/**
 * The sessions of a person: where it is signed in, and since when.
 * @param path of the list; with an id behind it, of one session
 */
export function SessionList({ path, mayEnd }: { readonly path: string; readonly mayEnd: boolean }) {
  const client = useQueryClient();
  const [ended, setEnded] = useState<readonly SessionObject[]>();
  const { data, error, refetch } = useQuery({
    queryKey: ['sessions', path],
    queryFn: ({ signal }) => api.get<{ data: readonly SessionObject[] }>(path, { signal }),
  });
  if (error) {
    return <ErrorPanel what="The sessions could not be read" error={error} retry={() => void refetch()} />;
  }
  if (!data) return <Skeleton />;
  const others = data.data.filter(({ current }) => !current);
  return (
    <div className="flex flex-col gap-2">
      {data.data.length === 0 && <p className="text-muted">Not signed in anywhere.</p>}
      <ul className="flex flex-col gap-2">
        {data.data.map((session) => (
          <li key={session.id} className="flex flex-wrap gap-x-3 items-center">
            <span className="grow min-w-0">
              <span className="block truncate" title={session.agent}>
                {deviceOf(session.agent)} {session.current && <Badge>this one</Badge>}
              </span>
              <span className="text-muted">
                {session.address}, last used <RelativeTime at={session.last_seen_at} />, signed in{' '}
                <RelativeTime at={session.created_at} />
              </span>
            </span>
            {mayEnd && !session.current && (
              <Button
                aria-label={`End the session of ${deviceOf(session.agent)} at ${session.address}`}
                onClick={() => setEnded([session])}
              >
                End
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayEnd && others.length > 1 && (
        <Button className="self-start" onClick={() => setEnded(others)}>
          {others.length === data.data.length ? 'End all' : 'End all others'}
        </Button>
      )}
      {ended && (
        <ConfirmDialog
          isOpen
          onClose={() => setEnded(undefined)}
          title={`End ${count(ended.length, 'session')}`}
          lost="These browsers are signed out at once. What is being typed there and is not stored can be stored after signing in again."
          action="End"
          onConfirm={async () => {
            for (const { id } of ended) await api.delete(`${path}/${id}`);
            await client.invalidateQueries({ queryKey: ['sessions'] });
          }}
        />
      )}
    </div>
  );
}
