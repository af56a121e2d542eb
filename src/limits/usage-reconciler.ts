import type { Clock } from '../core/clock.ts';
import type { SubjectLimits } from '../core/limit.ts';
import type { Counter } from './counter.ts';
import { StoreUnavailableError } from './limit-store.ts';
import type { Limiter, UsedPeriod } from './limiter.ts';
import { type SumsBy, sumsSince, type UsageRecords, type UsedSum } from './period-sums.ts';

export interface UsageReconcilerOptions {
  readonly clock: Pick<Clock, 'wallTime' | 'now'>;
  readonly limiter: Pick<Limiter, 'periodCounters' | 'raise'>;
  readonly records: UsageRecords;
  /** Stores the usage events that are not in the database yet. */
  readonly flush: () => Promise<void>;
  /** Ids of the tenants that exist. */
  readonly tenants: () => Iterable<string>;
  /** The limits of a tenant, its keys, members and tags. */
  readonly subjectsOf: (tenant: string) => readonly SubjectLimits[];
  /** The limits of models, over all tenants. */
  readonly modelSubjects: () => readonly SubjectLimits[];
  /**
   * Whether this limit store counts all use of a tenant, or of models where it is undefined. Where other regions count a part,
   * recorded usage says nothing of this part. True when absent.
   */
  readonly countsAll?: (tenant: string | undefined) => boolean;
  /** Receives the recorded use of a tenant's limits, also of those without any. */
  readonly onUsed?: (tenant: string, used: readonly UsedPeriod[]) => Promise<void>;
}

/** Milliseconds that one step spends on tenants that are due. */
const STEP_MS = 200;

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
  /** Tenants whose limits or usage changed, before all others; `isStored` when the usage since then is in the database. */
  readonly #due = new Map<string, { isStored: boolean }>();
  /** The rest of the current round over all tenants. */
  #round: string[] = [];
  #models: ModelRound | undefined;

  constructor(private readonly options: UsageReconcilerOptions) {}

  /** Reconciles a tenant at the next `step`. Call it when its limits have changed. */
  schedule(tenant: string): void {
    this.#due.delete(tenant);
    this.#due.set(tenant, { isStored: false });
  }

  /** Schedules every tenant. */
  scheduleAll(): void {
    for (const tenant of this.options.tenants()) this.schedule(tenant);
  }

  /**
   * Reconciles the tenants that are due, as many as fit in a short time; else the next tenant, and at the end of a round
   * over all tenants the limits of models. Call it every few seconds.
   *
   * @throws the database's or the limit store's error
   */
  async step(): Promise<void> {
    const { limiter, tenants, modelSubjects, records, clock } = this.options;
    const startedAt = clock.now();
    let hasDue = false;
    for (const [tenant, { isStored }] of this.#due) {
      await this.#reconcileOrRetry(tenant, async () => {
        if (!isStored) await this.#storeUsage();
        this.#due.delete(tenant);
        await this.#raise(tenant, this.options.subjectsOf(tenant));
      });
      hasDue = true;
      if (clock.now() - startedAt >= STEP_MS) break;
    }
    if (hasDue) return;
    if (this.#round.length === 0) {
      this.#round = [...tenants()];
      this.#models = new ModelRound(limiter.periodCounters(modelSubjects()));
    }
    const tenant = this.#round.pop();
    if (tenant === undefined) return;
    // Without storing the latest usage first: its counters count it, and may only be too low by what they missed before.
    await this.#reconcileOrRetry(tenant, () => this.#raise(tenant, this.options.subjectsOf(tenant)));
    await this.#models?.add(records, tenant, clock.wallTime());
    if (this.#round.length === 0 && this.#countsAll(undefined))
      await limiter.raise(this.#models?.used() ?? []);
  }

  async #reconcileOrRetry(tenant: string, reconcile: () => Promise<void>): Promise<void> {
    try {
      await reconcile();
    } catch (error) {
      this.schedule(tenant);
      throw error;
    }
  }

  /** Once for all tenants that are due: with many of them, this stores the usage of all many times. */
  async #storeUsage(): Promise<void> {
    const due = [...this.#due.values()];
    await this.options.flush();
    for (const one of due) one.isStored = true;
  }

  /**
   * Raises the counters of some limits to the usage up to now.
   *
   * @param subjects limits of the tenant, its keys, members and tags; all of them when absent
   * @throws the database's or the limit store's error
   */
  async reconcile(
    tenant: string,
    subjects: readonly SubjectLimits[] = this.options.subjectsOf(tenant),
  ): Promise<void> {
    if (this.#countersOf(subjects).length === 0) return;
    await this.options.flush();
    await this.#raise(tenant, subjects);
  }

  #countsAll(tenant: string | undefined): boolean {
    return this.options.countsAll?.(tenant) ?? true;
  }

  #countersOf(subjects: readonly SubjectLimits[]) {
    return this.options.limiter.periodCounters(
      subjects.filter(({ scope }) => DIMENSIONS[scope] !== undefined),
    );
  }

  /** Raises the counters of some limits to the recorded usage. */
  async #raise(tenant: string, subjects: readonly SubjectLimits[]): Promise<void> {
    const { clock, limiter, records, onUsed } = this.options;
    const counted = this.#countersOf(subjects);
    const all: UsedPeriod[] = [];
    const now = clock.wallTime();
    const sums = new Map<string, ReturnType<typeof sumsSince>>();
    const raised: UsedPeriod[] = [];
    for (const { counter, period } of counted) {
      const { subject } = counter;
      const by = DIMENSIONS[subject.scope] ?? 'tenant';
      const key = `${by} ${period.startsAt}`;
      let summing = sums.get(key);
      if (!summing) {
        summing = sumsSince(records, { tenant }, period.startsAt, now, by);
        sums.set(key, summing);
      }
      const sum = (await summing).get(subject.id.slice(subject.id.indexOf('/') + 1));
      const used = { counter, period, used: sum ? usedOf(counter, sum) : 0 };
      all.push(used);
      if (sum) raised.push(used);
    }
    if (this.#countsAll(tenant)) await limiter.raise(raised);
    if (all.length > 0) await onUsed?.(tenant, all);
  }

  /**
   * Raises the counters of limits that are about to be set. While the limit store is unreachable, they are raised later.
   *
   * @throws the database's error
   */
  async seed(tenant: string, subjects: readonly SubjectLimits[]): Promise<void> {
    this.schedule(tenant);
    try {
      await this.reconcile(tenant, subjects);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }
}

/** The use of models, summed over all tenants, one after the other. */
class ModelRound {
  readonly #sums = new Map<number, Map<string, UsedSum>>();

  constructor(private readonly counted: ReturnType<Limiter['periodCounters']>) {
    for (const { period } of counted) this.#sums.set(period.startsAt, new Map());
  }

  async add(records: UsageRecords, tenant: string, now: number): Promise<void> {
    for (const [startsAt, sums] of this.#sums) {
      for (const [model, sum] of await sumsSince(records, { tenant }, startsAt, now, 'model')) {
        const { requests = 0, tokens = 0, nanoUsd = 0 } = sums.get(model) ?? {};
        sums.set(model, {
          requests: requests + sum.requests,
          tokens: tokens + sum.tokens,
          nanoUsd: nanoUsd + sum.nanoUsd,
        });
      }
    }
  }

  used(): UsedPeriod[] {
    return this.counted.flatMap(({ counter, period }) => {
      const sum = this.#sums.get(period.startsAt)?.get(counter.subject.id);
      return sum ? [{ counter, period, used: usedOf(counter, sum) }] : [];
    });
  }
}

function usedOf({ limit }: Counter, { requests, tokens, nanoUsd }: UsedSum): number {
  if (limit.of === 'requests') return requests;
  return limit.of === 'tokens' ? tokens : nanoUsd;
}
