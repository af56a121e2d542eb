import type { Clock } from '../core/clock.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { RedisScript } from '../storage/kv/redis-script.ts';
import type { Charge } from './counter.ts';
import {
  type CounterInRedis,
  type PendingReservation,
  RedisLimitBatch,
  type Settlement,
} from './redis-limit-batch.ts';

export interface RedisLimitSenderOptions {
  readonly client: RedisClient;
  readonly clock: Clock;
  readonly replica: string;
  readonly leaseMs: number;
  readonly journal: (tag: string) => string;
  readonly inRedis: (charge: Charge) => CounterInRedis;
  readonly onUse: (charge: Charge, used: number) => void;
  /** Called with settlements that Redis may not have executed. */
  readonly onUnsettled: (tag: string, settlements: readonly Settlement[]) => void;
}

/** Milliseconds that a settlement without concurrency slots may wait for others. */
const FLUSH_DELAY_MS = 5;

/**
 * Sends reservations and settlements to Redis. All of one event-loop turn are sent as one script call, because a call
 * costs the client 10 to 25 µs regardless of its content. Settlements that release no slots wait up to 5 ms for a batch.
 */
export class RedisLimitSender {
  readonly #script: RedisScript;
  /** By hash tag. */
  readonly #batches = new Map<string, RedisLimitBatch>();
  readonly #sending = new Set<Promise<void>>();
  #settling = 0;
  #willFlush = false;
  #willFlushLater = false;

  constructor(private readonly options: RedisLimitSenderOptions) {
    this.#script = new RedisScript(options.client, 'limits');
  }

  /** Number of settlements without a response. */
  get unsettled(): number {
    let waiting = 0;
    for (const { settlements } of this.#batches.values()) waiting += settlements.length;
    return waiting + this.#settling;
  }

  /** Calls `resolve` or `failed` of the reservation once. */
  reserve(tag: string, pending: PendingReservation): void {
    const batch = this.#batch(tag);
    batch.reserve(pending);
    if (batch.full) this.#send(tag, batch);
    else this.#flushSoon();
  }

  /** @param soon true when it releases concurrency slots, which other requests may be waiting for */
  settle(tag: string, settlement: Settlement, soon: boolean): void {
    const batch = this.#batch(tag);
    batch.settle(settlement);
    if (batch.full) this.#send(tag, batch);
    else if (soon) this.#flushSoon();
    else this.#flushLater();
  }

  /** Sends all queued calls. Resolves when every call has a response or has failed; never rejects. */
  async flush(): Promise<void> {
    this.#flush();
    await Promise.all(this.#sending);
  }

  #batch(tag: string): RedisLimitBatch {
    let batch = this.#batches.get(tag);
    if (!batch) {
      batch = new RedisLimitBatch(this.options.journal(tag), this.options.inRedis);
      this.#batches.set(tag, batch);
    }
    return batch;
  }

  #flushSoon(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    setImmediate(() => {
      this.#willFlush = false;
      this.#flush();
    });
  }

  #flushLater(): void {
    if (this.#willFlush || this.#willFlushLater) return;
    this.#willFlushLater = true;
    void this.options.clock.sleep(FLUSH_DELAY_MS).then(() => {
      this.#willFlushLater = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (const [tag, batch] of this.#batches) this.#send(tag, batch);
  }

  #send(tag: string, batch: RedisLimitBatch): void {
    this.#batches.delete(tag);
    const { replica, leaseMs, onUse, onUnsettled } = this.options;
    const { settlements } = batch;
    this.#settling += settlements.length;
    const sending = this.#script
      .run(batch.keys, batch.parameters(replica, leaseMs))
      .then((reply) => batch.result(reply, onUse))
      .catch((error: unknown) => {
        batch.fail(error);
        if (settlements.length > 0) onUnsettled(tag, settlements);
      })
      .finally(() => {
        this.#settling -= settlements.length;
        this.#sending.delete(sending);
      });
    this.#sending.add(sending);
  }
}
