import { consistentHash, prefixAffinity } from './affinity.ts';
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
