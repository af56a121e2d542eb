import type { Charge, Counter } from './counter.ts';
import { type Reservation, type ReserveResult, unchargedIndexesOf } from './limit-store.ts';

/** A counter as the script receives it. */
export interface CounterInRedis {
  readonly key: string;
  /** Use that this gateway has last seen; the start value when the key is missing. */
  readonly known: number;
  readonly ttlMs: number;
}

/** A reservation and its actual use, in the order of the charges; 0 where absent. */
export interface Settlement {
  readonly reservation: Reservation;
  readonly used: readonly number[];
  /** Set when the reservation got no response, so that Redis may execute it later. */
  readonly abandoned?: true;
}

interface Slot {
  /** From 1. */
  readonly number: number;
  readonly charge: Charge;
  readonly next: Slot | undefined;
  counterState: number | undefined;
}

/** A reservation without a response yet. */
export interface PendingReservation {
  readonly id: string;
  readonly charges: readonly Charge[];
  resolve(result: ReserveResult): void;
  /** Called when there is no response. Redis may or may not have executed the reservation. */
  failed(error: unknown): void;
}

const NONE: readonly number[] = [];

/** Bounds of one script, which blocks Redis while it runs. */
const MAX_RESERVATIONS = 100;
const MAX_SETTLEMENTS = 400;
const MAX_COUNTERS = 1_000;

/** Settlements and reservations of one script call. Each counter is named once (`storage/kv/limits.lua`). */
export class RedisLimitBatch {
  readonly keys: string[];
  readonly settlements: Settlement[] = [];
  readonly #slots = new Map<Counter, Slot>();
  /** By Redis key: several counter objects can have one key, such as a tenant's in each of its API keys. */
  readonly #numbers = new Map<string, number>();
  readonly #counters: (string | number)[][] = [];
  readonly #settled: (string | number)[] = [];
  readonly #abandoned: string[] = [];
  readonly #reserved: (string | number)[] = [];
  readonly #pending: PendingReservation[] = [];

  constructor(
    journal: string,
    private readonly inRedis: (charge: Charge) => CounterInRedis,
  ) {
    this.keys = [journal];
  }

  get full(): boolean {
    return (
      this.#pending.length >= MAX_RESERVATIONS ||
      this.settlements.length >= MAX_SETTLEMENTS ||
      this.#counters.length >= MAX_COUNTERS
    );
  }

  reserve(pending: PendingReservation): void {
    const { id, charges } = pending;
    this.#pending.push(pending);
    this.#reserved.push(id, charges.length);
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (charge) this.#reserved.push(this.#number(charge), charge.amount);
    }
  }

  settle(settlement: Settlement): void {
    const { reservation, used, abandoned } = settlement;
    const { id, charges, unchargedIndexes } = reservation;
    const line = this.#settled;
    const at = line.push(id, 0) - 1;
    let corrections = 0;
    for (let index = 0; index < charges.length; index += 1) {
      const charge = charges[index];
      if (!charge) continue;
      const difference = (used[index] ?? 0) - charge.amount;
      if (difference === 0 || unchargedIndexes.includes(index)) continue;
      line.push(this.#number(charge), difference);
      corrections += 1;
    }
    line[at] = corrections;
    this.settlements.push(settlement);
    if (abandoned) this.#abandoned.push(id);
  }

  /** Arguments of the script. @param leaseMs lifetime of the gateway's concurrency slots without a heartbeat */
  parameters(replica: string, leaseMs: number): readonly unknown[] {
    return [replica, leaseMs, this.#counters, this.#settled, this.#reserved, this.#abandoned];
  }

  /**
   * Resolves all reservations of the batch.
   *
   * @param reply the script's reply: a JSON list of numbers
   * @param onUse called with the use of each quota and budget
   * @throws Error when the reply is not such a list
   */
  result(reply: unknown, onUse: (charge: Charge, used: number) => void): void {
    const numbers = new NumberReader(reply);
    const results = this.#pending.map(({ id, charges }) => this.#read(numbers, id, charges));
    for (const first of this.#slots.values()) {
      for (let slot: Slot | undefined = first; slot; slot = slot.next) {
        if (slot.counterState !== undefined) onUse(slot.charge, slot.counterState);
      }
    }
    this.#pending.forEach((pending, index) => {
      const result = results[index];
      if (result) pending.resolve(result);
    });
  }

  /** Fails all reservations of the batch. */
  fail(error: unknown): void {
    for (const pending of this.#pending) pending.failed(error);
  }

  #read(numbers: NumberReader, id: string, charges: readonly Charge[]): ReserveResult {
    if (numbers.next() === 0)
      return { granted: false, refused: numbers.next(), counterState: numbers.next() };
    const counterStates: number[] = [];
    for (const { counter, period } of charges) {
      const counterState = numbers.next();
      counterStates.push(counterState);
      if (counter.kind !== 'period') continue;
      const slot = this.#slot(counter, period);
      if (slot) slot.counterState = counterState;
    }
    const count = numbers.next();
    const over = count === 0 ? NONE : Array.from({ length: count }, () => numbers.next());
    return {
      granted: true,
      reservation: { id, charges, unchargedIndexes: unchargedIndexesOf(charges, over) },
      counterStates,
      over,
    };
  }

  #number(charge: Charge): number {
    return (this.#slot(charge.counter, charge.period) ?? this.#add(charge)).number;
  }

  #slot(counter: Counter, period: Charge['period']): Slot | undefined {
    let slot = this.#slots.get(counter);
    while (slot && slot.charge.period?.id !== period?.id) slot = slot.next;
    return slot;
  }

  #add(charge: Charge): Slot {
    const { counter } = charge;
    const inRedis = this.inRedis(charge);
    const number = this.#numbers.get(inRedis.key) ?? this.#describe(counter, inRedis);
    const slot = { number, charge, next: this.#slots.get(counter), counterState: undefined };
    this.#slots.set(counter, slot);
    return slot;
  }

  #describe(counter: Counter, { key, known, ttlMs }: CounterInRedis): number {
    const isRate = counter.kind === 'rate';
    const number = this.#counters.push([
      isRate ? 'r' : counter.kind === 'period' ? 'p' : 'h',
      counter.limit.mode.charAt(0),
      isRate ? counter.capacity : counter.limit.max,
      isRate ? counter.perMs : 0,
      known,
      ttlMs,
    ]);
    this.keys.push(key);
    this.#numbers.set(key, number);
    return number;
  }
}

/** Reads a JSON list of numbers in order. */
class NumberReader {
  readonly #numbers: readonly unknown[];
  #at = 0;

  constructor(reply: unknown) {
    const list: unknown = typeof reply === 'string' ? JSON.parse(reply) : undefined;
    if (!Array.isArray(list)) throw invalidReply();
    this.#numbers = list;
  }

  next(): number {
    const number = this.#numbers[this.#at];
    this.#at += 1;
    if (typeof number !== 'number') throw invalidReply();
    return number;
  }
}

function invalidReply(): Error {
  return new Error('the limits script returned an invalid reply');
}
