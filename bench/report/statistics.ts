/**
 * Nearest-rank percentile of values in ascending order.
 * @param share 0..1
 * @throws RangeError when there are no values
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length)));
  const value = sorted[rank - 1];
  if (value === undefined) throw new RangeError('percentile of no values');
  return value;
}

/** Middle value (mean of the two middle ones); undefined for no values. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/**
 * Half the range from the lowest to the highest value, as a share of the median: how much to trust a number.
 * undefined for fewer than two values or a median of 0.
 */
export function spread(values: readonly number[]): number | undefined {
  const middle = median(values);
  if (middle === undefined || middle === 0 || values.length < 2) return undefined;
  return Math.abs((Math.max(...values) - Math.min(...values)) / 2 / middle);
}

/**
 * Median of the ratios of two series, pair by pair: both values of a pair come from the same round, so what slows the
 * whole machine for a while cancels out. Pairs that lack a value, or whose base is not above 0, are left out:
 * the difference of two percentiles may be negative.
 */
export function medianRatio(
  values: readonly (number | null)[],
  base: readonly (number | null)[],
): number | undefined {
  const ratios: number[] = [];
  values.forEach((value, index) => {
    const divisor = base[index];
    if (value !== null && divisor !== null && divisor !== undefined && divisor > 0)
      ratios.push(value / divisor);
  });
  return median(ratios);
}
