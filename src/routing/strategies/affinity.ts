import { fnv1a } from '../hash.ts';
import { expectedWait, powerOfTwo } from './balancing.ts';
import { appendRemaining, type Strategy, sortedBy, type TargetView, withinBound } from './strategy.ts';

/** Highest first: every key has an order of its own, and one target less moves only that target's keys. */
function rendezvous(key: string, { target }: TargetView): number {
  const hash = fnv1a(`${key} ${target.provider.id}/${target.model}`);
  // Weighted rendezvous hashing: -weight / ln(uniform).
  return -target.weight / Math.log((hash + 1) / 4_294_967_297);
}

/** The same user, session or conversation to the same target, unless that has more than its share to do. */
export const consistentHash: Strategy = (targets, selection) => {
  const { affinity } = selection;
  if (affinity === undefined) return powerOfTwo(targets, selection);
  const ordered = sortedBy(targets, (view) => -rendezvous(affinity, view));
  const fits = withinBound(targets);
  return [...ordered.filter(fits), ...ordered.filter((view) => !fits(view))];
};

/** A prefix is worth a detour when it is at least this share of the prompt. */
const WORTHWHILE = 0.25;

/**
 * To where most of the prompt's beginning was of late, so that its KV or prompt cache is warm, unless that has more
 * than its share to do; else as the load says.
 */
export const prefixAffinity: Strategy = (targets, selection) => {
  const balanced = appendRemaining(powerOfTwo(targets, selection), targets);
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
