import { fnv1a } from '../hash.ts';
import { expectedWait, leastInflight, powerOfTwo } from './balancing.ts';
import { appendRemaining, type Strategy, sortedBy, type TargetView, withinBound } from './strategy.ts';

/**
 * The score of a target for a key, the highest first (weighted rendezvous hashing): removing a target moves only the
 * keys of that target.
 */
function rendezvous(key: string, { target }: TargetView): number {
  const hash = fnv1a(`${key} ${target.provider.id}/${target.model}`);
  // -weight / ln(uniform)
  return -target.weight / Math.log((hash + 1) / 4_294_967_297);
}

/** Sends requests with the same affinity key to the same target, unless that exceeds its share of the load. */
export const consistentHash: Strategy = (targets, selection) => {
  const { affinity } = selection;
  if (affinity === undefined) return powerOfTwo(targets, selection);
  const ordered = sortedBy(targets, (view) => -rendezvous(affinity, view));
  const fits = withinBound(targets);
  return [...ordered.filter(fits), ...ordered.filter((view) => !fits(view))];
};

/** A cached prefix decides only if it is at least this share of the prompt. */
const WORTHWHILE = 0.25;

/**
 * @param base orders the targets that have processed no part of the prompt
 * @returns a strategy that sends a request to the target that has processed the longest prefix of its prompt, so that the
 *   KV or prompt cache is warm, unless that target exceeds its share of the load; otherwise as `base`
 */
function warmFirst(base: Strategy): Strategy {
  return (targets, selection) => {
    const balanced = appendRemaining(base(targets, selection), targets);
    const { blocks, seenBlocks } = selection;
    if (blocks === 0) return balanced;
    const fits = withinBound(targets);
    const warm = balanced.filter(
      (view) => fits(view) && seenBlocks(view.target) >= Math.max(1, blocks * WORTHWHILE),
    );
    if (warm.length === 0) return balanced;
    const ordered = sortedBy(sortedBy(warm, expectedWait), ({ target }) => -seenBlocks(target));
    return [...ordered, ...balanced.filter((view) => !warm.includes(view))];
  };
}

/** Prefers targets that have processed the prompt's beginning; otherwise as `powerOfTwo`. */
export const prefixAffinity: Strategy = warmFirst(powerOfTwo);

/** As `leastInflight`, but prefers targets that have processed the prompt's beginning. */
export const warmLeastInflight: Strategy = warmFirst(leastInflight);
