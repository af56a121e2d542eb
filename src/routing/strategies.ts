import type { Target } from '../providers/types.ts';

/** What a strategy may know of a target at the moment of choice. */
export interface TargetView {
  readonly target: Target;
  /** Attempts in flight on it, from this process. */
  readonly inflight: number;
}

/**
 * Orders the targets of a model (of weight 1 and more) for one request: the first is tried first, the others follow if it fails before
 * its answer is committed. Pure: all that changes comes in by `turn` and `random`.
 */
export type Strategy = (
  targets: readonly TargetView[],
  turn: { readonly count: number; readonly random: () => number },
) => readonly TargetView[];

function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

const roundRobin: Strategy = (targets, { count }) => rotate(targets, count);

/** Draws without replacement, each draw in proportion to the weights that are left. */
const weighted: Strategy = (targets, { random }) => {
  const left = [...targets];
  const ordered: TargetView[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, view) => sum + view.target.weight, 0);
    let point = random() * total;
    let chosen = left.findIndex((view) => {
      point -= view.target.weight;
      return point < 0;
    });
    if (chosen < 0) chosen = 0;
    ordered.push(...left.splice(chosen, 1));
  }
  return ordered;
};

/** Fewest attempts in flight for its weight first; ties go round, so that an idle system spreads its load too. */
const leastInflight: Strategy = (targets, { count }) =>
  rotate(targets, count).sort((a, b) => a.inflight / a.target.weight - b.inflight / b.target.weight);

export const STRATEGIES = {
  'round-robin': roundRobin,
  weighted,
  'least-inflight': leastInflight,
} as const satisfies Record<string, Strategy>;

export type StrategyName = keyof typeof STRATEGIES;
