import { CallBreaker } from '../core/call-breaker.ts';
import type { Clock } from '../core/clock.ts';
import { SKIPPED, type Skipped } from './cache-store.ts';

/** Lookups in a row that fail before others are skipped for a second. */
const BREAKER = { failures: 3, maxPauseMs: 1_000 };

export type SkipReason = 'timeout' | 'unavailable' | 'paused' | 'overloaded';

export interface RedisLookupOptions {
  /** Whether a lookup can be sent now. */
  readonly isConnected: () => boolean;
  readonly clock: Clock;
  /** How long a lookup may take, in milliseconds. */
  readonly timeoutMs: () => number;
  /** Called for each lookup or write that was not made. */
  readonly onSkip: (reason: SkipReason) => void;
  /** Called when lookups begin to be skipped, because Redis is unreachable or too slow again and again. */
  readonly onLost: (error: unknown) => void;
  /** Called after that, when a lookup succeeds. */
  readonly onRecovered: () => void;
}

/**
 * Limits how long requests wait for Redis: each lookup has a time limit, and after three failures in a row none is made for a
 * second; then one tries whether Redis responds again. One for each server, shared by all that ask it, so that only the first
 * few requests wait for a server that hangs.
 */
export class RedisLookups {
  readonly #breaker: CallBreaker;
  #isLost = false;

  constructor(private readonly options: RedisLookupOptions) {
    this.#breaker = new CallBreaker(() => options.clock.now(), BREAKER);
  }

  /**
   * Makes a lookup, unless Redis is not connected or was too slow a moment ago.
   * @returns its result; `SKIPPED` where it was not made, failed, or took too long
   */
  lookUp<T>(work: () => Promise<T>): Promise<T | Skipped> {
    return this.#isConnected() && this.#isAdmitted(this.#breaker.admit())
      ? this.#within(work())
      : Promise.resolve(SKIPPED);
  }

  /** Whether Redis is connected and has responded recently, for work that no request waits for. Counts a skip where not. */
  canAsk(): boolean {
    return this.#isConnected() && this.#isAdmitted(!this.#breaker.isOpen);
  }

  /** Counts a write that was not made. */
  skipped(reason: SkipReason): void {
    this.options.onSkip(reason);
  }

  #isConnected(): boolean {
    const isConnected = this.options.isConnected();
    if (!isConnected) this.#lost('unavailable', new Error('Redis is not connected'));
    return isConnected;
  }

  #isAdmitted(admitted: boolean): boolean {
    if (!admitted) this.#lost('paused', new Error('Redis was too slow'));
    return admitted;
  }

  #lost(reason: SkipReason, error: unknown): void {
    this.skipped(reason);
    if (this.#isLost) return;
    this.#isLost = true;
    this.options.onLost(error);
  }

  /** Gives a lookup up that takes too long: a request must not wait for its cache. */
  #within<T>(work: Promise<T>): Promise<T | Skipped> {
    const { timeoutMs } = this.options;
    return new Promise((resolve) => {
      let isOver = false;
      const skip = (count: () => void) => {
        if (isOver) return;
        isOver = true;
        this.#breaker.failed();
        count();
        resolve(SKIPPED);
      };
      const late = () => skip(() => this.skipped('timeout'));
      // A reply that is there already is read first, when this process was busy rather than Redis.
      const timer = setTimeout(() => setImmediate(late), timeoutMs());
      work.then(
        (value) => {
          clearTimeout(timer);
          if (isOver) return;
          isOver = true;
          this.#succeeded();
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          skip(() => this.#lost('unavailable', error));
        },
      );
    });
  }

  #succeeded(): void {
    this.#breaker.succeeded();
    if (!this.#isLost) return;
    this.#isLost = false;
    this.options.onRecovered();
  }
}
