import type { Clock } from '../core/clock.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { Limiter, UsedPeriod } from './limiter.ts';
import { type SumsBy, sumsSince, type UsageRecords } from './period-sums.ts';

export interface UsageReconcilerOptions {
  readonly clock: Pick<Clock, 'wallTime'>;
  readonly limiter: Pick<Limiter, 'periodCounters' | 'raise'>;
  readonly records: UsageRecords;
  /** Stores the usage events that are not in the database yet. */
  readonly flush: () => Promise<void>;
  /** Ids of the tenants that exist. */
  readonly tenants: () => Iterable<string>;
  /** The limits of a tenant, its keys, members and tags. */
  readonly subjectsOf: (tenant: string) => readonly SubjectLimits[];
}

const DIMENSIONS: Readonly<Partial<Record<SubjectLimits['scope'], SumsBy>>> = {
  tenant: 'tenant',
  key: 'key',
  user: 'user',
  tag: 'tag',
};

/**
 * Keeps the counters of quotas and budgets at least as high as the recorded usage: a limit that is added within its period
 * starts from what was used before, and counters that a killed gateway did not save are restored. Counters may be higher,
 * by what requests in flight have reserved. No request waits for it.
 */
export class UsageReconciler {
  /** Tenants whose limits or usage changed, before all others. */
  readonly #due = new Set<string>();
  /** The rest of the current round over all tenants. */
  #round: string[] = [];

  constructor(private readonly options: UsageReconcilerOptions) {}

  /** Reconciles a tenant at the next `step`. Call it when its limits have changed. */
  schedule(tenant: string): void {
    this.#due.add(tenant);
  }

  /** Schedules every tenant. */
  scheduleAll(): void {
    for (const tenant of this.options.tenants()) this.#due.add(tenant);
  }

  /** Reconciles the next tenant. Call it every few seconds. @throws the database's or the limit store's error */
  async step(): Promise<void> {
    const tenant = this.#next();
    if (tenant === undefined) return;
    try {
      await this.reconcile(tenant);
    } catch (error) {
      this.#due.add(tenant);
      throw error;
    }
  }

  /**
   * Raises the counters of some limits to the recorded usage.
   *
   * @param subjects limits of the tenant, its keys, members and tags; all of them when absent
   * @throws the database's or the limit store's error
   */
  async reconcile(
    tenant: string,
    subjects: readonly SubjectLimits[] = this.options.subjectsOf(tenant),
  ): Promise<void> {
    const { clock, limiter, records, flush } = this.options;
    const counted = limiter.periodCounters(subjects.filter(({ scope }) => DIMENSIONS[scope] !== undefined));
    if (counted.length === 0) return;
    await flush();
    const now = clock.wallTime();
    const sums = new Map<string, ReturnType<typeof sumsSince>>();
    const raised: UsedPeriod[] = [];
    for (const { counter, period } of counted) {
      const { subject, limit } = counter;
      const by = DIMENSIONS[subject.scope] ?? 'tenant';
      const key = `${by} ${period.startsAt}`;
      let summing = sums.get(key);
      if (!summing) {
        summing = sumsSince(records, { tenant }, period.startsAt, now, by);
        sums.set(key, summing);
      }
      const sum = (await summing).get(subject.id.slice(subject.id.indexOf('/') + 1));
      if (!sum) continue;
      const used = limit.of === 'requests' ? sum.requests : limit.of === 'tokens' ? sum.tokens : sum.nanoUsd;
      if (used > 0) raised.push({ counter, period, used });
    }
    await limiter.raise(raised);
  }

  #next(): string | undefined {
    for (const tenant of this.#due) {
      this.#due.delete(tenant);
      return tenant;
    }
    if (this.#round.length === 0) this.#round = [...this.options.tenants()];
    return this.#round.pop();
  }
}
