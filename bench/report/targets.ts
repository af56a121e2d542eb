import { z } from 'zod';
import type { Measurements } from './series.ts';

export const target = z.object({
  id: z.string(),
  scenario: z.string(),
  metric: z.string(),
  /** `ratio`: median over the rounds of the ratio to the floor. `median`, `worst`: of the values themselves. */
  of: z.enum(['ratio', 'median', 'worst']),
  max: z.number(),
  /** Whose value it is, where it is another's than the one that is judged. */
  subject: z.string().optional(),
  says: z.string(),
});
export type Target = z.infer<typeof target>;

export interface Verdict {
  readonly target: Target;
  /** undefined: not measured. */
  readonly value: number | undefined;
  readonly met: boolean;
}

function measuredValue(
  measurements: Measurements,
  subject: string,
  { scenario, metric, of }: Target,
): number | undefined {
  if (of === 'ratio') return measurements.ratio(scenario, subject, metric, 'floor');
  if (of === 'median') return measurements.value(scenario, subject, metric);
  const values = measurements.rounds(scenario, subject, metric).filter((value) => value !== null);
  return values.length === 0 ? undefined : Math.max(...values);
}

/**
 * Holds a subject to the targets.
 * @param asked true: those that were measured; a list of ids: exactly these, and one not measured is missed
 * @throws when an id is unknown
 */
export function judge(
  targets: readonly Target[],
  asked: boolean | readonly string[],
  measurements: Measurements,
  subject: string,
): Verdict[] {
  const ids = typeof asked === 'boolean' ? undefined : asked;
  for (const id of ids ?? []) {
    if (!targets.some((known) => known.id === id)) {
      throw new Error(`no such target: ${id} (${targets.map((known) => known.id).join(', ')})`);
    }
  }
  return targets
    .filter(({ id }) => ids?.includes(id) ?? true)
    .map((each) => {
      const value = measuredValue(measurements, each.subject ?? subject, each);
      return { target: each, value, met: value !== undefined && value <= each.max };
    })
    .filter(({ value }) => ids !== undefined || value !== undefined);
}
