import { SlotList, type Slotted } from '../core/slot-list.ts';

/** Something that must make progress by a time. */
export interface Watched extends Slotted {
  /** Monotonic milliseconds; read at every sweep, so moving it is free. */
  readonly expiresAt: number;
  /** Called once, after which it is no longer watched. */
  expire(now: number): void;
}

/** Calls `sweep` regularly until the returned function is called. */
export type Ticker = (sweep: () => void, everyMs: number) => () => void;

/** A ticker on a timer of the runtime. */
export const intervalTicker: Ticker = (sweep, everyMs) => {
  const timer = setInterval(sweep, everyMs);
  return () => clearInterval(timer);
};

/**
 * Watches all deadlines with one timer. A stream moves its idle deadline with every chunk, and re-arming a timer
 * each time would cost more than handling the chunk. Deadlines fire up to one interval late.
 */
export class DeadlineMonitor {
  static readonly INTERVAL_MS = 50;
  readonly #watched = new SlotList<Watched>();
  #stop: (() => void) | undefined;

  constructor(
    private readonly now: () => number,
    private readonly ticker: Ticker = intervalTicker,
  ) {}

  watch(entry: Watched): void {
    this.#watched.add(entry);
    this.#stop ??= this.ticker(() => this.sweep(), DeadlineMonitor.INTERVAL_MS);
  }

  unwatch(entry: Watched): void {
    this.#watched.remove(entry);
  }

  sweep(): void {
    const now = this.now();
    for (const entry of this.#watched.snapshot()) {
      if (entry.expiresAt > now) continue;
      this.#watched.remove(entry);
      entry.expire(now);
    }
    if (this.#watched.size === 0) {
      this.#stop?.();
      this.#stop = undefined;
    }
  }
}
