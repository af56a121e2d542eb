import { draw, rotate, type Strategy, sortedBy, type TargetView } from './strategy.ts';

/** Each target in turn. */
export const roundRobin: Strategy = (targets, { count }) => rotate(targets, count);

/**
 * A weighted random order without replacement, with one random number per target.
 * @see "Weighted random sampling with a reservoir", Efraimidis and Spirakis, 2006
 */
export const weighted: Strategy = (targets, { random }) =>
  sortedBy(targets, ({ target }) => -Math.log(1 - random()) / target.weight);

/** The fewest attempts in flight per weight first; ties rotate, so that an idle system spreads its load too. */
export const leastInflight: Strategy = (targets, { count }) =>
  sortedBy(rotate(targets, count), ({ inflight, target }) => inflight / target.weight);

/** A target without measurements counts as fast, so that it gets requests to measure. Milliseconds. */
const UNKNOWN_TIME_PER_TOKEN = 0.001;

/** @returns the relative time that a target needs for its load and one more attempt; comparable only */
export function expectedWait({
  timePerTokenMs = UNKNOWN_TIME_PER_TOKEN,
  inflight,
  target,
}: TargetView): number {
  return (timePerTokenMs * (inflight + 1)) / target.weight;
}

/** Milliseconds per token of an idle target; undefined where nothing was measured. */
function idleTime({ idleTimePerTokenMs, timePerTokenMs }: TargetView): number | undefined {
  return idleTimePerTokenMs ?? timePerTokenMs;
}

/**
 * Chooses between two idle targets, in proportion to their weights and the squares of their speeds. Without load there is no
 * feedback: a client that sends one request at a time would stay with the target that happened to measure best.
 * @returns whether the second one is chosen
 */
function choosesSecondIdle(one: TargetView, other: TargetView, random: () => number): boolean {
  const [first, second] = [idleTime(one), idleTime(other)];
  if (first === undefined || second === undefined) return first !== undefined;
  const [a, b] = [one.target.weight / first ** 2, other.target.weight / second ** 2];
  const isUpset = random() >= Math.max(a, b) / (a + b);
  return b > a !== isUpset;
}

/**
 * Draws two targets at random and puts the one with the shorter expected wait first. Two draws keep many gateways from
 * choosing the same target at once.
 * @see "The Power of Two Choices in Randomized Load Balancing", Mitzenmacher, 2001
 */
export const powerOfTwo: Strategy = (targets, selection) => {
  const [only] = targets;
  if (!only || targets.length === 1) return targets;
  const one = draw(targets, selection) ?? only;
  const other = draw(targets, selection, one) ?? only;
  const isOther =
    one.inflight === 0 && other.inflight === 0
      ? choosesSecondIdle(one, other, selection.random)
      : expectedWait(other) < expectedWait(one);
  const [first, second] = isOther ? [other, one] : [one, other];
  // No other state is read: with many targets, that would cost more than the selection.
  return [first, second];
};

/** Approximate tokens of a prompt block. */
const TOKENS_PER_BLOCK = 64;

/** The lowest expected cost first, with cached input at its own price; targets without a price come last. */
export const lowestCost: Strategy = (targets, selection) => {
  const { inputTokens, outputTokens, seenBlocks } = selection;
  return sortedBy(leastInflight(targets, selection), ({ price, target }) => {
    if (!price) return Number.POSITIVE_INFINITY;
    const cached = Math.min(inputTokens, seenBlocks(target) * TOKENS_PER_BLOCK);
    return price.input * (inputTokens - cached) + price.cached * cached + price.output * outputTokens;
  });
};

/** With a full KV cache, an engine preempts requests, whatever its queue length. */
const NEARLY_FULL = 0.95;
const FULL_PENALTY = 100;

/** The engine with the least load by its own gauges; without gauges, by the attempts in flight from this process. */
export const engineLoad: Strategy = (targets, selection) =>
  sortedBy(leastInflight(targets, selection), ({ engine, inflight, target }) => {
    if (!engine) return inflight / target.weight;
    // The gauges may not include the latest attempts yet.
    const running = Math.max(engine.running + engine.waiting, inflight);
    const full = engine.cacheUsage >= NEARLY_FULL ? FULL_PENALTY : 0;
    return (running + 4 * engine.waiting + full) / target.weight + engine.cacheUsage;
  });
