import { useEffect, useState } from 'react';
import { urlOf } from './api.ts';

/** Totals of one second, as `GET /admin/v1/live` sends them. */
export interface LiveTotals {
  readonly at: string;
  readonly requests: number;
  readonly errors: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** US dollars, as an exact decimal. */
  readonly cost: string;
}

/** Seconds that are kept. */
const KEPT = 60;

/**
 * Follows requests as they end. The browser reconnects after a broken connection.
 * @param onRequests called with the totals of each second that had requests
 * @returns the totals of the last minute, the latest last
 */
export function useLive(
  isOn: boolean,
  tenant: string | undefined,
  onRequests?: (totals: LiveTotals) => void,
): readonly LiveTotals[] {
  const [seconds, setSeconds] = useState<readonly LiveTotals[]>([]);
  useEffect(() => {
    if (!isOn) return;
    const source = new EventSource(urlOf('/admin/v1/live', { tenant }));
    source.addEventListener('totals', ({ data }) => {
      const totals: LiveTotals = JSON.parse(data);
      setSeconds((all) => [...all.slice(1 - KEPT), totals]);
      if (totals.requests > 0) onRequests?.(totals);
    });
    return () => source.close();
  }, [isOn, tenant, onRequests]);
  return seconds;
}
