import type { UsageGroup } from '../storage/sql/usage-store.ts';

/** The sums that are billed, of 18 that are stored. */
export const BILLED_SUMS = [
  'requests',
  'errors',
  'rejected',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'duration_ms',
  'cost_pico',
  'unpriced',
] as const;
export type BilledSum = (typeof BILLED_SUMS)[number];
export type BilledSums = Readonly<Record<BilledSum, bigint>>;

/** What one key, user, model and provider used between two price changes. */
export interface UsageSlice {
  /** Unix milliseconds: from inclusive. */
  readonly start: number;
  readonly key: string;
  /** Id of a member; empty without one. */
  readonly user: string;
  readonly model: string;
  readonly provider: string;
  readonly sums: BilledSums;
}

/** A slice as it is stored: its five names, then the sums in the order of `BILLED_SUMS`. */
export type StoredSlice = readonly [number, string, string, string, string, ...string[]];

export const NO_SUMS: BilledSums = {
  requests: 0n,
  errors: 0n,
  rejected: 0n,
  input_tokens: 0n,
  output_tokens: 0n,
  cached_tokens: 0n,
  cache_write_tokens: 0n,
  reasoning_tokens: 0n,
  duration_ms: 0n,
  cost_pico: 0n,
  unpriced: 0n,
};

/** Combines each sum. */
function mapSums(of: (name: BilledSum) => bigint): BilledSums {
  return {
    requests: of('requests'),
    errors: of('errors'),
    rejected: of('rejected'),
    input_tokens: of('input_tokens'),
    output_tokens: of('output_tokens'),
    cached_tokens: of('cached_tokens'),
    cache_write_tokens: of('cache_write_tokens'),
    reasoning_tokens: of('reasoning_tokens'),
    duration_ms: of('duration_ms'),
    cost_pico: of('cost_pico'),
    unpriced: of('unpriced'),
  };
}

export function addSums(a: BilledSums, b: BilledSums): BilledSums {
  return mapSums((name) => a[name] + b[name]);
}

/** The counts of an invoice: without those that only serve to calculate. */
export function quantitySums({ errors, rejected, cost_pico: _, ...counts }: BilledSums) {
  const failed = errors - rejected;
  return { ...counts, failed_requests: failed > 0n ? failed : 0n };
}

export function totalOf(slices: Iterable<UsageSlice>): BilledSums {
  let total = NO_SUMS;
  for (const { sums } of slices) total = addSums(total, sums);
  return total;
}

/** @param group grouped by key, user, model and provider, in buckets */
export function sliceOf({ start, by, sums }: UsageGroup): UsageSlice {
  const { key = '', user = '', model = '', provider = '' } = by;
  return { start: start ?? 0, key, user, model, provider, sums: mapSums((name) => sums[name]) };
}

export function storedSlice({ start, key, user, model, provider, sums }: UsageSlice): StoredSlice {
  return [start, key, user, model, provider, ...BILLED_SUMS.map((name) => String(sums[name]))];
}

export function readSlice([start, key, user, model, provider, ...values]: StoredSlice): UsageSlice {
  const sums = mapSums((name) => BigInt(values[BILLED_SUMS.indexOf(name)] ?? '0'));
  return { start, key, user, model, provider, sums };
}

function nameOf({ start, key, user, model, provider }: UsageSlice): string {
  return JSON.stringify([start, key, user, model, provider]);
}

/**
 * @param now what is recorded now
 * @param billed what invoices contain; several slices of the same names add up
 * @returns what is recorded and not billed. Sums that shrank, because retention deleted usage, are 0.
 */
export function unbilled(now: readonly UsageSlice[], billed: readonly UsageSlice[]): UsageSlice[] {
  const before = new Map<string, BilledSums>();
  for (const slice of billed) {
    const name = nameOf(slice);
    const known = before.get(name);
    before.set(name, known ? addSums(known, slice.sums) : slice.sums);
  }
  return now.flatMap((slice) => {
    const known = before.get(nameOf(slice));
    if (!known) return [slice];
    const sums = mapSums((name) => {
      const more = slice.sums[name] - known[name];
      return more > 0n ? more : 0n;
    });
    return BILLED_SUMS.some((name) => sums[name] > 0n) ? [{ ...slice, sums }] : [];
  });
}
