import { useEffect, useState } from 'react';
import { ago, time } from '../lib/format.ts';

/** The current time, again every so many milliseconds. */
export function useNow(intervalMs = 30_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}

/** `5 min. ago`, with the exact time on hover and in copies. */
export function RelativeTime({ at }: { readonly at: string | number | null | undefined }) {
  const now = useNow();
  if (at === null || at === undefined) return <span>–</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={time(at)}>
      {ago(at, now)}
    </time>
  );
}
