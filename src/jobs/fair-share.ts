/**
 * Divides places among tenants, so that the numbers of their running jobs approach the ratio of their weights.
 *
 * @param tenants with due jobs; those that come first win ties
 * @param running jobs of each tenant now
 * @param weightOf more than 0
 * @param places to divide
 * @returns how many places each tenant gets
 */
export function fairShares(
  tenants: readonly string[],
  running: ReadonlyMap<string, number>,
  weightOf: (tenant: string) => number,
  places: number,
): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  if (tenants.length === 0) return shares;
  const loads = tenants.map((tenant) => ({
    ...{ tenant, weight: Math.max(weightOf(tenant), 1e-6), count: running.get(tenant) ?? 0 },
  }));
  for (let place = 0; place < places; place += 1) {
    let next = loads[0];
    for (const load of loads) {
      if (next && (load.count + 1) / load.weight < (next.count + 1) / next.weight) next = load;
    }
    if (!next) break;
    next.count += 1;
    shares.set(next.tenant, (shares.get(next.tenant) ?? 0) + 1);
  }
  return shares;
}
