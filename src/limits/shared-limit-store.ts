import type { Clock } from '../core/clock.ts';
import type { EventSink } from '../events/event-bus.ts';
import type { PeriodCount } from '../storage/sql/store-period-counts.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type CounterState,
  type LimitStore,
  type Reservation,
  type ReserveResult,
  StoreUnavailableError,
  type UsedPeriod,
} from './limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import type { OnUnavailable, RedisLimitStore } from './redis-limit-store.ts';

export interface SharedLimitStoreOptions {
  readonly clock: Clock;
  readonly shared: (known: UsageCache) => RedisLimitStore;
  readonly newId: () => string;
  /** Use of quotas and budgets before this process started. */
  readonly persisted: readonly PeriodCount[];
  readonly events: EventSink;
}

/** Last known use of quotas and budgets. */
export interface UsageCache {
  get(counter: string, period: string): number;
  set(counter: string, period: string, used: number): void;
}

/** Pause before the shared store is used again after a failure. */
const PAUSE_MS = 1_000;
/** Beyond this number of counters, the oldest are removed from the cache. */
const MAX_KNOWN = 200_000;

/**
 * Limits in a shared store, with a fallback to this gateway's memory. While the shared store is unreachable, a limit with
 * `onStoreLoss: local` allows an equal share of the remaining amount, and one with `refuse` fails closed. Local use of
 * quotas and budgets is added to the shared store once it is reachable again.
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
  /** Local use that is being added to the shared store; retried with the same id until confirmed. */
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

  /** True while this gateway counts limits alone. */
  get unavailable(): boolean {
    return this.#unavailable;
  }

  /** Number of settlements that the shared store has not confirmed. */
  get unsettled(): number {
    return this.#shared.unsettled;
  }

  reserve(charges: readonly Charge[]): ReserveResult | Promise<ReserveResult> {
    if (!this.#shared.ready) {
      // Reported now, because the store may be reachable again at the next heartbeat.
      if (!this.#unavailable)
        this.#markUnavailable(new StoreUnavailableError('not connected to the limit store'));
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

  async raise(used: readonly UsedPeriod[]): Promise<void> {
    await this.#shared.raise(used);
    for (const { counter, period, used: least } of used) {
      const known = this.#known.get(`${counter.key} ${period.id}`)?.used ?? 0;
      if (known < least) this.#recordUse(counter.key, period.id, least);
    }
  }

  /** Call it every 2 seconds. Detects the loss and the return of the shared store; never rejects. */
  async heartbeat(): Promise<void> {
    try {
      if (!this.#shared.ready) throw new StoreUnavailableError('not connected to the limit store');
      this.#replicas = await this.#shared.heartbeat();
      await this.#addUses();
      this.#unavailableUntil = Number.NEGATIVE_INFINITY;
      if (!this.#unavailable) return;
      this.#unavailable = false;
      this.options.events.emit('limit_store.restored', {});
    } catch (error) {
      this.#markUnavailable(error);
    }
  }

  /** Saves the last known use, for a shared store that loses its data. @throws what `save` throws; the next call retries */
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

  /** Releases the concurrency slots of a gateway that was killed. While the store is unreachable, their leases expire. */
  async releaseSlotsOf(replica: string): Promise<void> {
    if (this.#shared.ready) await this.#shared.settleFor(replica);
  }

  async close(): Promise<void> {
    await this.heartbeat();
    await this.#shared.close();
  }

  #reserveLocally(charges: readonly Charge[]): ReserveResult {
    const strict = charges.find(
      ({ counter: { limit } }) => limit.onStoreLoss === 'refuse' && limit.mode === 'enforce',
    );
    if (strict) throw new StoreUnavailableError(`limit ${strict.counter.key} fails closed without its store`);
    const result = this.#local.reserve(charges);
    if (result.granted) this.#localOnes.add(result.reservation);
    return result;
  }

  /** Adds local use to the shared store. */
  async #addUses(): Promise<void> {
    if (!this.#adding) {
      const uses = this.#local.takeUses();
      if (uses.length === 0) return;
      this.#adding = { id: this.options.newId(), uses };
      // Counts as known use until the shared store confirms it.
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
    this.options.events.emit('limit_store.lost', { error });
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
