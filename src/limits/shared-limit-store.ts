import type { Clock } from '../core/clock.ts';
import type { PeriodCount } from '../storage/sql/period-counters.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type CounterState,
  type LimitStore,
  type Reservation,
  type ReserveResult,
  StoreUnavailableError,
} from './limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import type { OnUnavailable, RedisLimitStore } from './redis-limit-store.ts';

export interface SharedLimitStoreOptions {
  readonly clock: Clock;
  readonly shared: (known: UsageCache) => RedisLimitStore;
  readonly newId: () => string;
  /** What was used before this process began. */
  readonly persisted: readonly PeriodCount[];
  /** Told when the shared store is lost, and when it is back. */
  readonly onChange: (unavailable: boolean, error?: unknown) => void;
}

/** What this gateway has last seen to be used of quotas and budgets. */
export interface UsageCache {
  get(counter: string, period: string): number;
  set(counter: string, period: string, used: number): void;
}

/** After a failure the shared store is left alone for so long. */
const PAUSE_MS = 1_000;
const MAX_KNOWN = 200_000;

/**
 * Limits in a store that gateways share and, while that can't be reached, in this gateway's own memory: as a fair share of
 * what was left, or not at all, as each limit says. What was used meanwhile is added when the store is back.
 */
export class SharedLimitStore implements LimitStore {
  readonly #shared: RedisLimitStore;
  readonly #local: MemoryLimitStore;
  readonly #localOnes = new WeakSet<Reservation>();
  readonly #known = new Map<string, PeriodCount>();
  readonly #changed = new Set<string>();
  #replicas = 1;
  #unavailableUntil = Number.NEGATIVE_INFINITY;
  #unavailable = false;
  /** What was used while alone, on its way to the shared store; sent with the same id until it has arrived. */
  #adding: { readonly id: string; readonly uses: ReturnType<MemoryLimitStore['takeUses']> } | undefined;

  constructor(private readonly options: SharedLimitStoreOptions) {
    for (const count of options.persisted) this.#known.set(`${count.counter} ${count.period}`, count);
    this.#shared = options.shared({
      get: (counter, period) => this.#known.get(`${counter} ${period}`)?.used ?? 0,
      set: (counter, period, used) => this.#recordUse(counter, period, used),
    });
    this.#local = new MemoryLimitStore(options.clock, [], {
      fraction: () => 1 / this.#replicas,
      usedElsewhere: (counter, period) =>
        counter.kind === 'period' ? (this.#known.get(`${counter.key} ${period?.id ?? ''}`)?.used ?? 0) : 0,
    });
  }

  /** True while limits are counted by this gateway alone. */
  get unavailable(): boolean {
    return this.#unavailable;
  }

  /** Settlements that the shared store has not been told of. */
  get unsettled(): number {
    return this.#shared.unsettled;
  }

  reserve(charges: readonly Charge[]): ReserveResult | Promise<ReserveResult> {
    if (!this.#shared.ready) {
      // Told at once, and not at the next beat: it may be back by then.
      if (!this.#unavailable)
        this.#markUnavailable(new StoreUnavailableError('not connected to the store of limits'));
      return this.#reserveLocally(charges);
    }
    if (this.options.clock.now() < this.#unavailableUntil) return this.#reserveLocally(charges);
    return this.#shared.reserve(charges, this.#onUnavailable);
  }

  readonly #onUnavailable: OnUnavailable = (charges, unavailable) => {
    this.#markUnavailable(unavailable);
    return this.#reserveLocally(charges);
  };

  settle(reservation: Reservation, used: readonly number[]): void {
    if (this.#localOnes.has(reservation)) this.#local.settle(reservation, used);
    else this.#shared.settle(reservation, used);
  }

  async stateOf(counter: Counter, period: Period | undefined): Promise<CounterState> {
    try {
      if (this.#shared.ready) return await this.#shared.stateOf(counter, period);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
    const before =
      counter.kind === 'period' ? (this.#known.get(`${counter.key} ${period?.id ?? ''}`)?.used ?? 0) : 0;
    return before + this.#local.stateOf(counter, period);
  }

  /** To be called every few seconds. Never fails. */
  async heartbeat(): Promise<void> {
    try {
      if (!this.#shared.ready) throw new StoreUnavailableError('not connected to the store of limits');
      this.#replicas = await this.#shared.heartbeat();
      await this.#addUses();
      this.#unavailableUntil = Number.NEGATIVE_INFINITY;
      if (!this.#unavailable) return;
      this.#unavailable = false;
      this.options.onChange(false);
    } catch (error) {
      this.#markUnavailable(error);
    }
  }

  /** Keeps what is known to be used, should the shared store lose it. */
  async saveChanged(save: (counts: readonly PeriodCount[]) => Promise<void>): Promise<void> {
    const keys = [...this.#changed];
    this.#changed.clear();
    try {
      await save(keys.flatMap((key) => this.#known.get(key) ?? []));
    } catch (error) {
      for (const key of keys) this.#changed.add(key);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.heartbeat();
    await this.#shared.close();
  }

  #reserveLocally(charges: readonly Charge[]): ReserveResult {
    const strict = charges.find(
      ({ counter: { limit } }) => limit.onStoreLoss === 'refuse' && limit.mode === 'enforce',
    );
    if (strict)
      throw new StoreUnavailableError(`the limit ${strict.counter.key} lets nothing pass without its store`);
    const result = this.#local.reserve(charges);
    if (result.granted) this.#localOnes.add(result.reservation);
    return result;
  }

  /** Sends what was used while alone. */
  async #addUses(): Promise<void> {
    if (!this.#adding) {
      const uses = this.#local.takeUses();
      if (uses.length === 0) return;
      this.#adding = { id: this.options.newId(), uses };
      // From now on it was used before, until the shared store says the same.
      for (const { counter, period, amount } of uses) {
        const known = this.#known.get(`${counter.key} ${period.id}`)?.used ?? 0;
        this.#recordUse(counter.key, period.id, known + amount);
      }
    }
    await this.#shared.add(this.#adding.id, this.#adding.uses);
    this.#adding = undefined;
  }

  #markUnavailable(error: unknown): void {
    this.#unavailableUntil = this.options.clock.now() + PAUSE_MS;
    if (this.#unavailable) return;
    this.#unavailable = true;
    this.options.onChange(true, error);
  }

  #recordUse(counter: string, period: string, used: number): void {
    const key = `${counter} ${period}`;
    const known = this.#known.get(key);
    if (known?.used === used) return;
    if (!known && this.#known.size >= MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(key, { counter, period, used });
    this.#changed.add(key);
  }
}
