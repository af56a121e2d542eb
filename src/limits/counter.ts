import type { CalendarPeriod, Limit, SubjectLimits } from '../core/limit.ts';
import type { Period } from './calendar.ts';

/**
 * The counter of one limit.
 * - `rate`: a token bucket. Within any time t, at most its capacity plus t times its rate can be taken.
 * - `period`: counts the use within a day or a month.
 * - `concurrency`: counts the slots held now.
 *
 * @see https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm for the bound of `rate`
 */
export type Counter = {
  /** Unique among all counters of all subjects. */
  readonly key: string;
  readonly subject: SubjectLimits;
  readonly limit: Limit;
} & (
  | {
      readonly kind: 'rate';
      readonly capacity: number;
      /** Amount that flows in each millisecond. */
      readonly perMs: number;
    }
  | { readonly kind: 'period'; readonly per: CalendarPeriod }
  | { readonly kind: 'concurrency' }
);

/** The amount that a request takes from one counter. */
export interface Charge {
  readonly counter: Counter;
  /** An integer: requests, tokens, 10^-9 US dollars, or concurrency slots. */
  readonly amount: number;
  /** Set for counters of kind `period`. */
  readonly period: Period | undefined;
}

const RATE_MS = { second: 1_000, minute: 60_000 } as const;

/** @returns one counter for each limit of the subject, in their order */
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
