import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';

/** State of a counter: the amount left of a `rate`, the amount used of a `period`, or the slots held of a `concurrency`. */
export type CounterState = number;

/** The recorded use of a quota or budget in one period. */
export interface UsedPeriod {
  readonly counter: Counter;
  readonly period: Period;
  /** An integer: requests, tokens or 10^-9 US dollars. */
  readonly used: number;
}

/** Amounts taken from counters, until they are settled. */
export interface Reservation {
  /** Unique within the gateway in a shared store; empty in memory. */
  readonly id: string;
  readonly charges: readonly Charge[];
  /** Indexes of charges that took nothing: a request over a limit of mode `shadow` is not counted there. */
  readonly unchargedIndexes: readonly number[];
}

/**
 * @param over indexes of charges that exceed a limit of mode `warn` or `shadow`
 * @returns those of mode `shadow`, which are not charged
 */
export function unchargedIndexesOf(charges: readonly Charge[], over: readonly number[]): readonly number[] {
  if (over.length === 0) return NONE;
  return over.filter((index) => charges[index]?.counter.limit.mode === 'shadow');
}

const NONE: readonly number[] = [];

export type ReserveResult =
  | {
      readonly granted: true;
      readonly reservation: Reservation;
      /** After the reservation, in the order of the charges. */
      readonly counterStates: readonly CounterState[];
      /** Indexes of charges that exceed a limit of mode `warn` or `shadow`. */
      readonly over: readonly number[];
    }
  | {
      readonly granted: false;
      /** Index of the first charge that exceeds an enforced limit; no counter was charged. */
      readonly refused: number;
      readonly counterState: CounterState;
    };

/**
 * Keeps the counters of limits. A reservation charges all counters of a request in one step, or none, and is settled
 * exactly once, even when a settlement is retried. `limit-store.test.ts` runs the same suite on every implementation.
 *
 * A store that becomes unreachable fails closed with `StoreUnavailableError`, except `SharedLimitStore`, which follows
 * each limit's `onStoreLoss`.
 */
export interface LimitStore {
  /**
   * @returns the reservation, or the charge that an enforced limit rejects; a promise only where a store is remote
   * @throws StoreUnavailableError when the store is unreachable; a promise rejects with it
   */
  reserve(charges: readonly Charge[]): ReserveResult | Promise<ReserveResult>;
  /**
   * Corrects the charged amounts to the amounts used, and releases concurrency slots. Never throws: while the store is
   * unreachable, settlements are queued and sent later. A second settlement of a reservation has no effect.
   *
   * @param used amounts in the order of the charges; 0 where absent
   */
  settle(reservation: Reservation, used: readonly number[]): void;
  /**
   * Reads a counter without charging it.
   *
   * @param period the period to read, for counters of kind `period`
   * @throws StoreUnavailableError when the store is unreachable
   */
  stateOf(counter: Counter, period: Period | undefined): CounterState | Promise<CounterState>;
  /**
   * Raises counters of kind `period` to at least some use, plus what open reservations hold where that is known. Never lowers
   * one.
   *
   * @throws StoreUnavailableError when the store is unreachable; a promise rejects with it
   */
  raise(used: readonly UsedPeriod[]): void | Promise<void>;
  /** Sends queued settlements, if possible, and closes connections. */
  close(): Promise<void>;
}

/** The limit store is unreachable. Becomes the client's error `store_unavailable`, status 503. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}
