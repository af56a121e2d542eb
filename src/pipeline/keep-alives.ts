import { SlotList, type Slotted } from '../core/slot-list.ts';
import { intervalTicker, type Ticker } from '../dispatch/deadlines.ts';

/** A stream that stays silent while its upstream computes. */
export interface SilentStream extends Slotted {
  /** Seconds since it sent something, as counted here. The stream sets it to 0 with everything that it sends. */
  silence: number;
  /** Sends a keep-alive. */
  keepAlive(): void;
}

const TICK_MS = 1_000;

/** The comment by which most dialects keep a connection open; clients skip it. */
export const KEEP_ALIVE_COMMENT = new TextEncoder().encode(': keep-alive\n\n');

/**
 * Sends keep-alives on streams that are silent for long: proxies and load balancers close connections without traffic, many
 * after 60 s, and a model may think for longer. One timer serves all streams, and sending costs a stream one assignment.
 */
export class KeepAlives {
  readonly #streams = new SlotList<SilentStream>();
  #stop: (() => void) | undefined;

  /** @param intervalMs the longest silence, in milliseconds; null for any. Read at every tick, so a reload applies to open streams. */
  constructor(
    private readonly intervalMs: () => number | null,
    private readonly ticker: Ticker = intervalTicker,
  ) {}

  add(stream: SilentStream): void {
    stream.silence = 0;
    this.#streams.add(stream);
    this.#stop ??= this.ticker(() => this.#tick(), TICK_MS);
  }

  remove(stream: SilentStream): void {
    this.#streams.remove(stream);
  }

  /** Open streams. */
  get size(): number {
    return this.#streams.size;
  }

  #tick(): void {
    const interval = this.intervalMs();
    const most = interval === null ? Number.POSITIVE_INFINITY : interval / TICK_MS;
    for (const stream of this.#streams.snapshot()) {
      stream.silence += 1;
      if (stream.silence < most) continue;
      stream.silence = 0;
      stream.keepAlive();
    }
    if (this.#streams.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }
}
