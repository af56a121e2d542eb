import type { CalendarPeriod, Limit, SubjectLimits } from '../core/limit.ts';
import type { Period } from './calendar.ts';

/**
 * What one limit counts. A `rate` is a bucket that fills up steadily: over any time t, at most its capacity and what
 * flows in during t can be taken (GCRA's bound). A `period` counts a day or a month. `places` counts what is held now.
 */
export type Counter = {
  /** Unique among all counters of all subjects. */
  readonly key: string;
  readonly subject: SubjectLimits;
  readonly limit: Limit;
} & (
  | { readonly kind: 'rate'; readonly capacity: number; readonly perMs: number }
  | { readonly kind: 'period'; readonly per: CalendarPeriod }
  | { readonly kind: 'concurrency' }
);

/** What a request takes from one counter. */
export interface Charge {
  readonly counter: Counter;
  /** Whole: requests, tokens, thousand-millionths of a US dollar, or places. */
  readonly amount: number;
  /** Of a counter by day or month. */
  readonly period: Period | undefined;
}

const RATE_MS = { second: 1_000, minute: 60_000 } as const;

/** The counters of a subject's limits. */
export function countersOf(subject: SubjectLimits): Counter[] {
  return subject.limits.map((limit) => {
    const { of, per, max, burst, mode } = limit;
    const suffix = mode === 'enforce' ? '' : `:${mode}`;
    const common = {
      key: `${subject.scope}:${subject.id}:${of}:${per ?? 'now'}${suffix}`,
      subject,
      limit,
    };
    if (per === null) return { ...common, kind: 'concurrency' };
    if (per === 'day' || per === 'month') return { ...common, kind: 'period', per };
    return { ...common, kind: 'rate', capacity: burst ?? max, perMs: max / RATE_MS[per] };
  });
}
