import type { Charge, Counter } from './counter.ts';
import type { ReserveResult } from './limit-store.ts';

/** The use of a request that is not known yet. Integers. */
export interface AmountRange {
  /** A request that may not use this much is rejected. */
  readonly least: number;
  /** No request of its form uses more. */
  readonly most: number;
}

/** What a request may use, before it is sent. Each is computed only where a limit counts it. */
export interface ExpectedUse {
  /** Likely input and output tokens: taken from rates. */
  likelyTokens(): number;
  /** Input and output tokens: taken from quotas. */
  tokens(): AmountRange;
  /** 10^-9 US dollars: taken from budgets. */
  nanoUsd(): AmountRange;
  /** Requests, of several that are admitted together; one when absent. */
  requests?(): number;
}

/** The use of a request that costs nothing. */
export const NO_USE: ExpectedUse = {
  likelyTokens: () => 0,
  tokens: () => ({ least: 0, most: 0 }),
  nanoUsd: () => ({ least: 0, most: 0 }),
};

/** @returns the amount to reserve from a counter */
export function amountOf({ limit, kind }: Counter, use: ExpectedUse): number {
  switch (limit.of) {
    case 'requests':
      return use.requests?.() ?? 1;
    case 'concurrent_requests':
      return 1;
    case 'tokens':
      return kind === 'rate' ? use.likelyTokens() : use.tokens().most;
    case 'cost':
      return use.nanoUsd().most;
  }
}

/** The least amount with which a charge may be granted; undefined for charges that are granted in full or not at all. */
function leastOf({ counter: { limit, kind } }: Charge, use: ExpectedUse): number | undefined {
  if (kind !== 'period') return undefined;
  if (limit.of === 'tokens') return use.tokens().least;
  return limit.of === 'cost' ? use.nanoUsd().least : undefined;
}

/** Whether the body does not bound the use that a charge reserves. */
export function isUnbounded(charge: Charge, use: ExpectedUse): boolean {
  const least = leastOf(charge, use);
  return least !== undefined && least < charge.amount;
}

/**
 * The charges with what a quota or budget has left in place of the amount that it refused. That leaves nothing, so each
 * counter has at most one open reservation below the most that its request may use.
 *
 * @returns undefined where that is not enough
 */
export function withRest(
  charges: readonly Charge[],
  { refused, counterState }: ReserveResult & { readonly granted: false },
  use: ExpectedUse,
): readonly Charge[] | undefined {
  const charge = charges[refused];
  const least = charge && leastOf(charge, use);
  if (!charge || least === undefined) return undefined;
  const rest = charge.counter.limit.max - counterState;
  if (rest < least || rest >= charge.amount) return undefined;
  return charges.with(refused, { ...charge, amount: rest });
}
