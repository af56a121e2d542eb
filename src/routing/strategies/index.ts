import { consistentHash, prefixAffinity, warmLeastInflight } from './affinity.ts';
import { engineLoad, leastInflight, lowestCost, powerOfTwo, roundRobin, weighted } from './balancing.ts';
import type { Strategy } from './strategy.ts';

/** All strategies, by their name in the configuration. */
export const STRATEGIES = {
  'power-of-two': powerOfTwo,
  'least-inflight': leastInflight,
  'round-robin': roundRobin,
  weighted,
  'lowest-cost': lowestCost,
  'consistent-hash': consistentHash,
  'prefix-affinity': prefixAffinity,
  'engine-load': engineLoad,
} as const satisfies Record<string, Strategy>;

export type StrategyName = keyof typeof STRATEGIES;

/** Strategies that use prompt prefixes. */
export const READS_PREFIX: ReadonlySet<StrategyName> = new Set(['prefix-affinity', 'lowest-cost']);

/** What balancing strategies become for long prompts, where a provider's prompt cache makes the same target cheaper. */
export const WITH_WARM_CACHE: Readonly<Partial<Record<StrategyName, Strategy>>> = {
  'power-of-two': prefixAffinity,
  'least-inflight': warmLeastInflight,
};
