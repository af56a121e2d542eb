import type { Target } from '../../providers/types.ts';

/** What a strategy may know of a target at the moment of choice. */
export interface TargetView {
  readonly target: Target;
  /** Attempts in flight on it, from this process. */
  readonly inflight: number;
  /** Milliseconds for each token of late; undefined where nothing was measured yet. */
  readonly timePerTokenMs: number | undefined;
  /** US dollars per million tokens; undefined where not known. */
  readonly price: { readonly input: number; readonly output: number; readonly cached: number } | undefined;
  /** What its engine says of itself. */
  readonly engine: EngineLoad | undefined;
}

/** Gauges of a serving engine. */
export interface EngineLoad {
  readonly waiting: number;
  readonly running: number;
  /** Share of the KV cache in use, 0 to 1. */
  readonly cacheUsage: number;
}

/** What a strategy may know of the request. */
export interface SelectionContext {
  /** How many requests this model had before. */
  readonly count: number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Whether all targets have the same weight. */
  readonly equalWeights: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Requests with the same go to the same target; undefined where nothing holds them together. */
  readonly affinity: string | undefined;
  /** How many leading blocks of the prompt a target has seen of late. */
  readonly seenBlocks: (target: Target) => number;
  /** How many blocks the prompt has. */
  readonly blocks: number;
}

/**
 * Orders the targets of a model (of weight above 0) for one request: the first is tried first, the others follow if it
 * fails before its answer is committed. Those that are not in the order follow in any. Pure: all that changes comes in
 * by the views and the turn.
 */
export type Strategy = <View extends TargetView>(
  targets: readonly View[],
  selection: SelectionContext,
) => readonly View[];

/** An order with those that it left out at its end. */
export function appendRemaining<View>(ordered: readonly View[], all: readonly View[]): readonly View[] {
  return ordered.length === all.length
    ? ordered
    : [...ordered, ...all.filter((view) => !ordered.includes(view))];
}

export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Draws one in proportion to the weights. */
export function draw<View extends TargetView>(
  targets: readonly View[],
  { random, equalWeights }: Pick<SelectionContext, 'random' | 'equalWeights'>,
  except?: View,
): View | undefined {
  if (equalWeights) {
    const others = except === undefined ? targets.length : targets.length - 1;
    const at = Math.floor(random() * others);
    // The last takes the place of the one that is not meant.
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

/** The same targets in the order of a number, the smallest first; equals keep their order. */
export function sortedBy<View extends TargetView>(
  targets: readonly View[],
  of: (view: View) => number,
): View[] {
  const sorted = targets.slice();
  const keys: number[] = [];
  // By insertion: there are seldom more than a few, and a pair for each would cost more than the comparing.
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

/** How much more than its fair share a target may have in flight before affinity gives way. */
const BOUND = 1.25;

/**
 * Whether one more request keeps a target within its share of the load ("consistent hashing with bounded loads",
 * Mirrokni, Thorup and Zadimoghaddam, 2016).
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
