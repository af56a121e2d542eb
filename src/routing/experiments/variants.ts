import { fnv1a } from '../hash.ts';

/** A model that serves a share of the requests for another. */
export interface Variant {
  readonly name: string;
  readonly model: string;
  /** Share of requests, 0 to 100. */
  readonly percent: number;
}

/** Name of the variant of requests that the requested model serves. */
export const CONTROL = 'control';
export const CANARY = 'canary';

const BUCKETS = 10_000;

/**
 * Assigns a request to a variant. The same key always gets the same variant, and keeps it while percentages grow.
 * @param experiment makes assignments of different experiments independent
 * @param key the request's affinity key; undefined for a random assignment
 * @param random 0 to below 1
 * @returns undefined for the control group
 */
export function variantOf(
  experiment: string,
  variants: readonly Variant[],
  key: string | undefined,
  random: () => number,
): Variant | undefined {
  const bucket = key === undefined ? Math.floor(random() * BUCKETS) : fnv1a(`${experiment} ${key}`) % BUCKETS;
  let end = 0;
  for (const variant of variants) {
    end += variant.percent * (BUCKETS / 100);
    if (bucket < end) return variant;
  }
  return undefined;
}
