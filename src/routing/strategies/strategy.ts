import type { EngineLoad } from '../../providers/engine-load.ts';
import type { Target } from '../../providers/types.ts';

/** The facts of a target that strategies use, as they are at the moment of selection. */
export interface TargetView {
  readonly target: Target;
  /** Attempts in flight from this process. */
  readonly inflight: number;
  /** Recent milliseconds per token; undefined where nothing was measured. */
  readonly timePerTokenMs: number | undefined;
  /** Milliseconds per token of its quickest recent attempts; undefined or absent where nothing was measured. */
  readonly idleTimePerTokenMs?: number | undefined;
  /** US dollars per million tokens; undefined where unknown. */
  readonly price: { readonly input: number; readonly output: number; readonly cached: number } | undefined;
  /** Gauges that its engine reports. */
  readonly engine: EngineLoad | undefined;
}

/** The facts of a request that strategies use. */
export interface SelectionContext {
  /** Earlier requests for this model. */
  readonly count: number;
  /** 0 to below 1. */
  readonly random: () => number;
  /** Whether all targets have the same weight. */
  readonly equalWeights: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Requests with the same key go to the same target; undefined where there is no key. */
  readonly affinity: string | undefined;
  /** Leading blocks of the prompt that a target has processed recently. */
  readonly seenBlocks: (target: Target) => number;
  /** Blocks of the prompt. */
  readonly blocks: number;
}

/**
 * Orders the targets of a model (with weights above 0) for one request. The first is tried first; the others follow if
 * it fails before its response is committed; targets that the result leaves out follow in any order. A pure function
 * of its arguments.
 */
export type Strategy = <View extends TargetView>(
  targets: readonly View[],
  selection: SelectionContext,
) => readonly View[];

/** @returns an order with the targets that it leaves out appended */
export function appendRemaining<View>(ordered: readonly View[], all: readonly View[]): readonly View[] {
  return ordered.length === all.length
    ? ordered
    : [...ordered, ...all.filter((view) => !ordered.includes(view))];
}

/** @returns the items rotated to the left */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/**
 * Draws one target in proportion to the weights.
 * @param except a target that is not drawn
 * @returns undefined where there is nothing to draw
 */
export function draw<View extends TargetView>(
  targets: readonly View[],
  { random, equalWeights }: Pick<SelectionContext, 'random' | 'equalWeights'>,
  except?: View,
): View | undefined {
  if (equalWeights) {
    const others = except === undefined ? targets.length : targets.length - 1;
    const at = Math.floor(random() * others);
    // Drawing the excepted target means the last one, which is out of range otherwise.
    return targets[at] === except ? targets[targets.length - 1] : targets[at];
  }
  let total = 0;
  for (const view of targets) if (view !== except) total += view.target.weight;
  let point = random() * total;
  let last: View | undefined;
  for (const view of targets) {
    if (view === except) continue;
    last = view;
    point -= view.target.weight;
    if (point < 0) return view;
  }
  return last;
}

/** Sorts targets by a number, ascending and stable. */
export function sortedBy<View extends TargetView>(
  targets: readonly View[],
  of: (view: View) => number,
): View[] {
  const sorted = targets.slice();
  const keys: number[] = [];
  // Insertion sort: lists are short, and allocating key-value pairs would cost more than the comparisons.
  for (const view of targets) {
    const key = of(view);
    let at = keys.length;
    for (; at > 0; at -= 1) {
      const before = keys[at - 1] ?? 0;
      const other = sorted[at - 1];
      if (before <= key || !other) break;
      keys[at] = before;
      sorted[at] = other;
    }
    keys[at] = key;
    sorted[at] = view;
  }
  return sorted;
}

/** A target may exceed its fair share of attempts by this factor before affinity is ignored. */
const BOUND = 1.25;

/**
 * @returns whether one more attempt keeps a target within 1.25 times its share of the load
 * @see "Consistent Hashing with Bounded Loads", Mirrokni, Thorup and Zadimoghaddam, 2016
 */
export function withinBound(targets: readonly TargetView[]): (view: TargetView) => boolean {
  let [inflight, weights] = [0, 0];
  for (const view of targets) {
    inflight += view.inflight;
    weights += view.target.weight;
  }
  return (view) =>
    view.inflight + 1 <= Math.ceil((BOUND * (inflight + 1) * view.target.weight) / Math.max(weights, 1e-9));
}
