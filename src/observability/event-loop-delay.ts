/** Readings for the metrics. Each reading starts a new period. */
export interface EventLoopReadings {
  /** @returns the longest delay of a timer since the last call, in seconds; 0 without one */
  takeMaxDelay(): number;
  /** @returns as `takeMaxDelay`, without the time in which the main thread waited for a core or a disk */
  takeMaxBusy(): number;
}

export interface EventLoopDelayOptions {
  /** Milliseconds between two ticks. Tasks that are shorter than this are mostly missed. */
  readonly intervalMs: number;
  /** Milliseconds; monotonic. */
  readonly now: () => number;
  /** CPU time of the main thread so far, in milliseconds. */
  readonly cpuMs: () => number;
}

/**
 * Measures how late a periodic timer fires: the time that other tasks kept the event loop busy. The delay includes
 * the time in which other processes had the core. The CPU time that the thread used meanwhile does not.
 */
export class EventLoopDelay implements EventLoopReadings {
  #lastMs: number | undefined;
  #lastCpuMs = 0;
  #maxDelayMs = 0;
  #maxBusyMs = 0;

  constructor(private readonly options: EventLoopDelayOptions) {}

  get intervalMs(): number {
    return this.options.intervalMs;
  }

  /** To be called by a timer, every `intervalMs`. */
  tick(): void {
    const { intervalMs, now, cpuMs } = this.options;
    const [atMs, atCpuMs] = [now(), cpuMs()];
    if (this.#lastMs !== undefined) {
      const delayMs = Math.max(0, atMs - this.#lastMs - intervalMs);
      this.#maxDelayMs = Math.max(this.#maxDelayMs, delayMs);
      this.#maxBusyMs = Math.max(this.#maxBusyMs, Math.min(delayMs, atCpuMs - this.#lastCpuMs));
    }
    this.#lastMs = atMs;
    this.#lastCpuMs = atCpuMs;
  }

  takeMaxDelay(): number {
    const seconds = this.#maxDelayMs / 1000;
    this.#maxDelayMs = 0;
    return seconds;
  }

  takeMaxBusy(): number {
    const seconds = this.#maxBusyMs / 1000;
    this.#maxBusyMs = 0;
    return seconds;
  }
}

/** @returns CPU time of the calling thread, in milliseconds */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
