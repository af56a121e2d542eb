import type { Period } from './calendar.ts';
import type { Charge, Counter } from './counter.ts';

/** How a counter stands after it was asked: what is left of a `rate`, what is used of a `period` or of `places`. */
export type CounterState = number;

/** What was taken, until it is settled. */
export interface Reservation {
  /** Tells it from others of its gateway, where others look after them too. */
  readonly id: string;
  readonly charges: readonly Charge[];
  /** Which of the charges took nothing: what would have been refused takes nothing from what only looks on. */
  readonly unchargedIndexes: readonly number[];
}

/** @param over which charges are over a limit that does not refuse */
export function unchargedIndexesOf(charges: readonly Charge[], over: readonly number[]): readonly number[] {
  if (over.length === 0) return NONE;
  return over.filter((index) => charges[index]?.counter.limit.mode === 'shadow');
}

const NONE: readonly number[] = [];

export type ReserveResult =
  | {
      readonly granted: true;
      readonly reservation: Reservation;
      /** By the order of the charges. */
      readonly counterStates: readonly CounterState[];
      /** Which of them are over a limit that does not refuse. */
      readonly over: readonly number[];
    }
  | {
      readonly granted: false;
      /** Which charge was refused; nothing was taken from any. */
      readonly refused: number;
      readonly counterState: CounterState;
    };

/**
 * Keeps the counters of limits. What a request takes is taken in one step from all of them, or from none. Every
 * reservation is settled exactly once, however often it is tried.
 */
export interface LimitStore {
  /** @throws StoreUnavailableError when it can't be told whether there is room */
  reserve(charges: readonly Charge[]): ReserveResult | Promise<ReserveResult>;
  /**
   * Corrects what was taken to what was used, and gives places back. Never fails: what can't be told now is told later.
   * @param used by the order of the charges
   */
  settle(reservation: Reservation, used: readonly number[]): void;
  /** How a counter stands, without taking anything. */
  stateOf(counter: Counter, period: Period | undefined): CounterState | Promise<CounterState>;
  close(): Promise<void>;
}

/** The store of limits can't be reached. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}
