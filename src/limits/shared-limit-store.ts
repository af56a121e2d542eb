import type { Clock } from '../core/clock.ts';
import type { PeriodCount } from '../storage/sql/period-counters.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type CounterState,
  type LimitStore,
  type Reservation,
  type ReserveAnswer,
  StoreLostError,
} from './limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import type { RedisLimitStore, WhenLost } from './redis-limit-store.ts';

export interface SharedLimitStoreOptions {
  readonly clock: Clock;
  readonly shared: (known: KnownUse) => RedisLimitStore;
  readonly newId: () => string;
  /** What was used before this process began. */
  readonly kept: readonly PeriodCount[];
  /** Told when the shared store is lost, and when it is back. */
  readonly onChange: (lost: boolean, error?: unknown) => void;
}

/** What this gateway has last seen to be used of quotas and budgets. */
export interface KnownUse {
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
  #lostUntil = Number.NEGATIVE_INFINITY;
  #lost = false;
  /** What was used while alone, on its way to the shared store; sent with the same id until it has arrived. */
  #adding: { readonly id: string; readonly uses: ReturnType<MemoryLimitStore['takeUses']> } | undefined;

  constructor(private readonly options: SharedLimitStoreOptions) {
    for (const count of options.kept) this.#known.set(`${count.counter} ${count.period}`, count);
    this.#shared = options.shared({
      get: (counter, period) => this.#known.get(`${counter} ${period}`)?.used ?? 0,
      set: (counter, period, used) => this.#learn(counter, period, used),
    });
    this.#local = new MemoryLimitStore(options.clock, [], {
      part: () => 1 / this.#replicas,
      usedBefore: (counter, period) =>
        counter.kind === 'period' ? (this.#known.get(`${counter.key} ${period?.id ?? ''}`)?.used ?? 0) : 0,
    });
  }

  /** True while limits are counted by this gateway alone. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Settlements that the shared store has not been told of. */
  get unsettled(): number {
    return this.#shared.unsettled;
  }

  reserve(charges: readonly Charge[]): ReserveAnswer | Promise<ReserveAnswer> {
    if (!this.#shared.ready) {
      // Told at once, and not at the next beat: it may be back by then.
      if (!this.#lost) this.#lose(new StoreLostError('not connected to the store of limits'));
      return this.#alone(charges);
    }
    if (this.options.clock.now() < this.#lostUntil) return this.#alone(charges);
    return this.#shared.reserve(charges, this.#whenLost);
  }

  readonly #whenLost: WhenLost = (charges, lost) => {
    this.#lose(lost);
    return this.#alone(charges);
  };

  settle(reservation: Reservation, used: readonly number[]): void {
    if (this.#localOnes.has(reservation)) this.#local.settle(reservation, used);
    else this.#shared.settle(reservation, used);
  }

  async stateOf(counter: Counter, period: Period | undefined): Promise<CounterState> {
    try {
      if (this.#shared.ready) return await this.#shared.stateOf(counter, period);
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
    }
    const before =
      counter.kind === 'period' ? (this.#known.get(`${counter.key} ${period?.id ?? ''}`)?.used ?? 0) : 0;
    return before + this.#local.stateOf(counter, period);
  }

  /** To be called every few seconds. Never fails. */
  async beat(): Promise<void> {
    try {
      if (!this.#shared.ready) throw new StoreLostError('not connected to the store of limits');
      this.#replicas = await this.#shared.beat();
      await this.#addUses();
      this.#lostUntil = Number.NEGATIVE_INFINITY;
      if (!this.#lost) return;
      this.#lost = false;
      this.options.onChange(false);
    } catch (error) {
      this.#lose(error);
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
    await this.beat();
    await this.#shared.close();
  }

  #alone(charges: readonly Charge[]): ReserveAnswer {
    const strict = charges.find(
      ({ counter: { limit } }) => limit.onStoreLoss === 'refuse' && limit.mode === 'enforce',
    );
    if (strict)
      throw new StoreLostError(`the limit ${strict.counter.key} lets nothing pass without its store`);
    const answer = this.#local.reserve(charges);
    if (answer.granted) this.#localOnes.add(answer.reservation);
    return answer;
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
        this.#learn(counter.key, period.id, known + amount);
      }
    }
    await this.#shared.add(this.#adding.id, this.#adding.uses);
    this.#adding = undefined;
  }

  #lose(error: unknown): void {
    this.#lostUntil = this.options.clock.now() + PAUSE_MS;
    if (this.#lost) return;
    this.#lost = true;
    this.options.onChange(true, error);
  }

  #learn(counter: string, period: string, used: number): void {
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
