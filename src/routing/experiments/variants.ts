import { fnv1a } from '../hash.ts';

/** A model that answers some requests in the place of another. */
export interface Variant {
  readonly name: string;
  readonly model: string;
  /** Of the requests, 0 to 100. */
  readonly percent: number;
}

/** Variant of the requests that go where they would go anyway. */
export const CONTROL = 'control';
export const CANARY = 'canary';

const BUCKETS = 10_000;

/**
 * The variant of a request; undefined for none of them. The same key always gets the same, and keeps it while percents
 * grow.
 * @param key what holds requests together; undefined where nothing does
 * @param random from 0 up to 1
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
