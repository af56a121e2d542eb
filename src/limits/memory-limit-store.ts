import type { Clock } from '../core/clock.ts';
import type { PeriodCount } from '../storage/sql/store-period-counts.ts';
import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';
import {
  type CounterState,
  type LimitStore,
  type Reservation,
  type ReserveResult,
  type UsedPeriod,
  unchargedIndexesOf,
} from './limit-store.ts';

type RateCounter = Extract<Counter, { kind: 'rate' }>;

interface Bucket {
  readonly counter: RateCounter;
  /** Amount left; negative when requests used more than they reserved. */
  level: number;
  /** Monotonic milliseconds. */
  updatedAt: number;
}

interface Tally {
  period: string;
  used: number;
  /** The part of `used` that open reservations hold, and that settlement corrects. */
  reserved: number;
  endsAt: number;
}

/** This gateway's part of each limit while several gateways count separately. */
export interface Share {
  /** Greater than 0, at most 1. */
  fraction(): number;
  /** Use of a quota or budget that this store has not counted. */
  usedElsewhere(counter: Counter, period: Period | undefined): number;
}

/** For a single gateway. */
const ALL: Share = { fraction: () => 1, usedElsewhere: () => 0 };

/** Reservations between removals of idle counters. */
const SWEEP_EVERY = 10_000;

/** Remembers whether it is settled. */
class OpenReservation implements Reservation {
  readonly id = '';
  settled = false;

  constructor(
    readonly charges: readonly Charge[],
    readonly unchargedIndexes: readonly number[],
  ) {}
}

/**
 * Limits of a single gateway, in memory: never unreachable. Rates and concurrency slots restart with the process;
 * quotas and budgets are saved with `saveChanged` and passed to the next process.
 */
export class MemoryLimitStore implements LimitStore {
  readonly #buckets = new Map<string, Bucket>();
  readonly #tallies = new Map<string, Tally>();
  readonly #slots = new Map<string, number>();
  readonly #uses = new Map<string, { counter: Counter; period: Period; amount: number }>();
  #open = 0;
  readonly #changed = new Set<string>();
  readonly #persisted: Map<string, PeriodCount>;
  #next = 0;

  /**
   * @param persisted use of quotas and budgets before this process started
   * @param share this gateway's part of each limit; all of it when absent
   */
  constructor(
    private readonly clock: Clock,
    persisted: readonly PeriodCount[] = [],
    private readonly share: Share = ALL,
  ) {
    this.#persisted = new Map(persisted.map((count) => [`${count.counter} ${count.period}`, count]));
  }

  reserve(charges: readonly Charge[]): ReserveResult {
    const now = this.clock.now();
    const over: number[] = [];
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (!charge || this.#hasRoom(charge, now)) continue;
      if (charge.counter.limit.mode === 'enforce') {
        return {
          granted: false,
          refused: index,
          counterState: this.#stateOf(charge.counter, charge.period, now),
        };
      }
      over.push(index);
    }
    const unchargedIndexes = unchargedIndexesOf(charges, over);
    const counterStates: CounterState[] = [];
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (!charge) continue;
      if (unchargedIndexes.includes(index)) {
        counterStates.push(this.#stateOf(charge.counter, charge.period, now));
        continue;
      }
      counterStates.push(this.#take(charge, charge.amount, now));
      this.#hold(charge, charge.amount);
    }
    this.#next += 1;
    if (this.#next % SWEEP_EVERY === 0) this.#sweep(now);
    this.#open += 1;
    return {
      granted: true,
      reservation: new OpenReservation(charges, unchargedIndexes),
      counterStates,
      over,
    };
  }

  settle(reservation: Reservation, used: readonly number[]): void {
    if (!(reservation instanceof OpenReservation) || reservation.settled) return;
    reservation.settled = true;
    this.#open -= 1;
    const { charges, unchargedIndexes } = reservation;
    const now = this.clock.now();
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (!charge || unchargedIndexes.includes(index)) continue;
      const difference = (used[index] ?? 0) - charge.amount;
      if (difference !== 0) this.#take(charge, difference, now);
      this.#hold(charge, -charge.amount);
    }
  }

  stateOf(counter: Counter, period: Period | undefined): CounterState {
    return this.#stateOf(counter, period, this.clock.now());
  }

  raise(used: readonly UsedPeriod[]): void {
    for (const { counter, period, used: least } of used) {
      const tally = this.#tally(counter.key, period);
      const missing = least - (tally.used - tally.reserved);
      if (missing <= 0) continue;
      tally.used += missing;
      this.#changed.add(counter.key);
    }
  }

  /**
   * Saves the quotas and budgets that have changed since the last call, without open reservations: a killed process would
   * leave those used, although their requests have ended.
   *
   * @throws what `save` throws; the next call retries
   */
  async saveChanged(save: (counts: readonly PeriodCount[]) => Promise<void>): Promise<void> {
    const counters = [...this.#changed];
    this.#changed.clear();
    const counts = counters.flatMap((counter) => {
      const tally = this.#tallies.get(counter);
      return tally ? [{ counter, period: tally.period, used: tally.used - tally.reserved }] : [];
    });
    try {
      await save(counts);
    } catch (error) {
      for (const counter of counters) this.#changed.add(counter);
      throw error;
    }
  }

  /**
   * Removes the use of quotas and budgets from this store, so that it can be added to a shared one.
   *
   * @returns the use since the last call
   */
  takeUses(): { readonly counter: Counter; readonly period: Period; readonly amount: number }[] {
    const uses = [];
    for (const [key, { counter, period, amount }] of this.#uses) {
      this.#uses.delete(key);
      const tally = this.#tallies.get(counter.key);
      if (tally?.period === period.id) tally.used -= amount;
      if (amount !== 0) uses.push({ counter, period, amount });
    }
    return uses;
  }

  /** Number of reservations that are not settled. */
  get open(): number {
    return this.#open;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #hasRoom({ counter, amount, period }: Charge, now: number): boolean {
    const { max } = counter.limit;
    if (counter.kind === 'rate') {
      // A request that needs more than the capacity is admitted when the bucket is full, and leaves a negative level.
      return this.#level(counter, now) >= Math.min(amount, counter.capacity * this.share.fraction());
    }
    const used = this.#stateOf(counter, period, now);
    // A share below one slot would reject every request, so one slot is always available.
    const open = Math.max(0, max - this.share.usedElsewhere(counter, period)) * this.share.fraction();
    return used + amount <= (counter.kind === 'concurrency' ? Math.max(1, open) : open);
  }

  #take({ counter, period }: Charge, amount: number, now: number): CounterState {
    switch (counter.kind) {
      case 'rate': {
        const bucket = this.#buckets.get(counter.key);
        const level = this.#levelOf(bucket, counter, now) - amount;
        if (bucket) {
          bucket.level = level;
          bucket.updatedAt = now;
        } else this.#buckets.set(counter.key, { counter, level, updatedAt: now });
        return level;
      }
      case 'period': {
        const tally = this.#tally(counter.key, period);
        tally.used += amount;
        if (this.share !== ALL) this.#use(counter, period, amount);
        this.#changed.add(counter.key);
        return tally.used;
      }
      case 'concurrency': {
        const held = (this.#slots.get(counter.key) ?? 0) + amount;
        if (held <= 0) this.#slots.delete(counter.key);
        else this.#slots.set(counter.key, held);
        return held;
      }
    }
  }

  /** @param amount negative for what is released */
  #hold({ counter, period }: Charge, amount: number): void {
    const { of } = counter.limit;
    if (counter.kind === 'period' && (of === 'tokens' || of === 'cost'))
      this.#tally(counter.key, period).reserved += amount;
  }

  #use(counter: Counter, period: Period | undefined, amount: number): void {
    if (!period) return;
    const key = `${counter.key} ${period.id}`;
    const known = this.#uses.get(key);
    if (known) known.amount += amount;
    else this.#uses.set(key, { counter, period, amount });
  }

  #stateOf(counter: Counter, period: Period | undefined, now: number): CounterState {
    if (counter.kind === 'rate') return this.#level(counter, now);
    if (counter.kind === 'concurrency') return this.#slots.get(counter.key) ?? 0;
    return this.#tally(counter.key, period).used;
  }

  #level(counter: RateCounter, now: number): number {
    return this.#levelOf(this.#buckets.get(counter.key), counter, now);
  }

  #levelOf(bucket: Bucket | undefined, { capacity, perMs }: RateCounter, now: number): number {
    const fraction = this.share.fraction();
    if (!bucket) return capacity * fraction;
    return Math.min(capacity * fraction, bucket.level + (now - bucket.updatedAt) * perMs * fraction);
  }

  #tally(key: string, period: Period | undefined): Tally {
    const id = period?.id ?? '';
    const known = this.#tallies.get(key);
    // A reservation of an earlier period that is settled in a later one must not change the later count.
    if (known && known.period > id) return { period: id, used: 0, reserved: 0, endsAt: 0 };
    if (known?.period === id) return known;
    const persisted = `${key} ${id}`;
    const tally = {
      period: id,
      used: this.#persisted.get(persisted)?.used ?? 0,
      reserved: 0,
      endsAt: period?.endsAt ?? 0,
    };
    this.#persisted.delete(persisted);
    this.#tallies.set(key, tally);
    return tally;
  }

  /** Removes full buckets and past periods, which equal ones that were never used. */
  #sweep(now: number): void {
    const fraction = this.share.fraction();
    for (const [key, bucket] of this.#buckets) {
      const { counter } = bucket;
      if (this.#levelOf(bucket, counter, now) >= counter.capacity * fraction) this.#buckets.delete(key);
    }
    const wall = this.clock.wallTime();
    for (const [key, { endsAt }] of this.#tallies) {
      if (endsAt < wall && !this.#changed.has(key)) this.#tallies.delete(key);
    }
  }
}
