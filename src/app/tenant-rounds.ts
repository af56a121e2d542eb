/** Each tenant is visited once in so many runs; with a run each minute, once an hour. */
const RUNS_PER_ROUND = 60;

/** Visits all tenants, some at a time, in the order of their ids. */
export class TenantRounds {
  /** The last visited tenant. */
  #last = '';

  /** @returns the tenants to visit now */
  next(tenants: readonly string[]): readonly string[] {
    const all = [...tenants].sort();
    const count = Math.ceil(all.length / RUNS_PER_ROUND);
    const found = all.findIndex((tenant) => tenant > this.#last);
    const from = found < 0 ? 0 : found;
    const next = all.slice(from, from + count);
    this.#last = next.at(-1) ?? '';
    return next;
  }
}
