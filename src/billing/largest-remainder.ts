import { Exact } from './exact.ts';

/**
 * Rounds amounts so that they add up: each is rounded down, and the units that are left go to the largest remainders, the
 * first ones where remainders are equal.
 *
 * @param total units of 10^-places that the result adds up to: the sum of the amounts, rounded
 * @returns units of 10^-places, each less than one unit from its amount
 */
export function roundToSum(amounts: readonly Exact[], total: bigint, places: number): bigint[] {
  const units = amounts.map((amount) => amount.floor(places));
  let left = total - units.reduce((sum, unit) => sum + unit, 0n);
  const scale = 10n ** BigInt(places);
  const remainders = amounts
    .map((amount, index) => ({ index, rest: amount.minus(Exact.of(units[index] ?? 0n, scale)) }))
    .sort((a, b) => b.rest.compare(a.rest) || a.index - b.index);
  for (const { index } of remainders) {
    if (left <= 0n) break;
    units[index] = (units[index] ?? 0n) + 1n;
    left -= 1n;
  }
  return units;
}

/**
 * Divides an amount by weights, exactly: the parts add up to it.
 *
 * @param total units to divide; may be negative
 * @param weights at least 0 each; where all are 0, each weighs the same
 * @returns units, in the order of the weights; empty without weights
 */
export function divideByWeight(total: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.length === 0) return [];
  const sum = weights.reduce((all, weight) => all + weight, 0n);
  const shares = sum === 0n ? weights.map(() => 1n) : weights;
  const whole = sum === 0n ? BigInt(weights.length) : sum;
  const amounts = shares.map((weight) => Exact.of(total * weight, whole));
  return roundToSum(amounts, total, 0);
}
