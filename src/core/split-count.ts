/**
 * Splits a count between parts in proportion to their weights.
 * @param total a whole number of at least 0
 * @param weights of at least 0; equal parts where all are 0
 * @returns whole numbers of at least 0 that add up to `total`, each less than 1 from its exact part
 */
export function splitCount(total: number, weights: readonly number[]): readonly number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  let until = 0;
  let given = 0;
  return weights.map((weight, index) => {
    until += weight;
    const part = whole === 0 ? (index + 1) / weights.length : until / whole;
    // Rounding the sums instead of the parts keeps the error from adding up.
    const upTo = index === weights.length - 1 ? total : Math.min(total, Math.round(total * part));
    const share = upTo - given;
    given = upTo;
    return share;
  });
}
