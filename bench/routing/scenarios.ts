import { seeded } from '../../src/core/random.ts';
import type { ReplicaSpec } from './replica.ts';
import { workload } from './workload.ts';

const engine = (name: string, speed: number, more: Partial<ReplicaSpec> = {}): ReplicaSpec => ({
  name,
  slots: 16,
  tokensPerSecond: 60 * speed,
  prefillPerSecond: 8_000 * speed,
  cacheBlocks: 700,
  price: { input: 0.5 * speed, output: 1.5 * speed, cached: 0.05 * speed },
  ...more,
});

/** Two fast replicas, four usual ones, two old ones; one of the usual ones fails for a minute. */
export const REPLICAS: readonly ReplicaSpec[] = [
  engine('fast-1', 2),
  engine('fast-2', 2),
  engine('usual-1', 1),
  engine('usual-2', 1),
  engine('usual-3', 1, { fails: [60_000, 120_000] }),
  engine('usual-4', 1),
  engine('old-1', 0.5, { slots: 8 }),
  engine('old-2', 0.5, { slots: 8 }),
];

/**
 * Replicas that are all alike and well, where only caches tell them apart. Each holds about a tenth of the prompts that
 * are in use, as KV caches do.
 */
export const ALIKE: readonly ReplicaSpec[] = Array.from({ length: 8 }, (_, index) =>
  engine(`engine-${index}`, 1, { cacheBlocks: 300 }),
);

export const requestsAt = (perSecond: number, requests = 8_000) =>
  workload({ requests, perSecond, random: seeded(1) });
