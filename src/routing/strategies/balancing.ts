import { draw, rotate, type Strategy, sortedBy, type TargetView } from './strategy.ts';

export const roundRobin: Strategy = (targets, { count }) => rotate(targets, count);

/**
 * As if drawn without replacement, each draw in proportion to the weights that are left, by one number for each target
 * (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
 */
export const weighted: Strategy = (targets, { random }) =>
  sortedBy(targets, ({ target }) => -Math.log(1 - random()) / target.weight);

/** Fewest attempts in flight for its weight first; ties go round, so that an idle system spreads its load too. */
export const leastInflight: Strategy = (targets, { count }) =>
  sortedBy(rotate(targets, count), ({ inflight, target }) => inflight / target.weight);

/** A target that nothing is known of is taken for a fast one, so that it gets a chance to show. */
const UNKNOWN_TIME_PER_TOKEN = 0.001;

/** How long a target would take, in no unit: its pace, times what it has to do. */
export function expectedWait({
  timePerTokenMs = UNKNOWN_TIME_PER_TOKEN,
  inflight,
  target,
}: TargetView): number {
  return (timePerTokenMs * (inflight + 1)) / target.weight;
}

/**
 * The better of two that are drawn at random, by pace and load; the others behind. Two draws keep many gateways from
 * running to the same target at once (Mitzenmacher, "The power of two choices", 2001).
 */
export const powerOfTwo: Strategy = (targets, selection) => {
  const [only] = targets;
  if (!only || targets.length === 1) return targets;
  const one = draw(targets, selection) ?? only;
  const other = draw(targets, selection, one) ?? only;
  const [first, second] = expectedWait(other) < expectedWait(one) ? [other, one] : [one, other];
  // Nothing else is looked at: with many targets, looking costs more than choosing.
  return [first, second];
};

/** A block of the prompt in tokens, about. */
const TOKENS_PER_BLOCK = 64;

/** What the request would cost, cached input included; what has no known price comes last. */
export const lowestCost: Strategy = (targets, selection) => {
  const { inputTokens, outputTokens, seenBlocks } = selection;
  return sortedBy(leastInflight(targets, selection), ({ price, target }) => {
    if (!price) return Number.POSITIVE_INFINITY;
    const cached = Math.min(inputTokens, seenBlocks(target) * TOKENS_PER_BLOCK);
    return price.input * (inputTokens - cached) + price.cached * cached + price.output * outputTokens;
  });
};

/** A full KV cache makes an engine put requests off, whatever its queue looks like. */
const NEARLY_FULL = 0.95;
const FULL_PENALTY = 100;

/** The engine with the least to do by its own gauges; where there are none, by what is in flight from here. */
export const engineLoad: Strategy = (targets, selection) =>
  sortedBy(leastInflight(targets, selection), ({ engine, inflight, target }) => {
    if (!engine) return inflight / target.weight;
    // What is in flight from here may not be in the gauges yet.
    const running = Math.max(engine.running + engine.waiting, inflight);
    const full = engine.cacheUsage >= NEARLY_FULL ? FULL_PENALTY : 0;
    return (running + 4 * engine.waiting + full) / target.weight + engine.cacheUsage;
  });
