import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { isUnavailable } from '../storage/sql/database-errors.ts';
import {
  addCursors,
  addDeadLetter,
  type CursorLease,
  eventHead,
  extendLease,
  leaseCursor,
  moveCursor,
  readLog,
  waitingCursors,
} from '../storage/sql/event-log.ts';
import type { EventLogRow } from '../storage/sql/event-tables.ts';
import type { EventSink } from './event-bus.ts';
import { PARTITIONS, type StoredEvent, storedEvent } from './stored-event.ts';

/** Receives durable events. */
export interface EventConsumer {
  /** Unique; its place in the log is stored under this name. */
  readonly name: string;
  /** Whether it receives events of a type; all when absent. */
  accepts?(type: string): boolean;
  /**
   * Takes events of one partition, in their order. They are delivered again, with the same ids, when this rejects, or
   * the process ends before it resolves: store what must not be repeated under the events' ids.
   */
  deliver(events: readonly StoredEvent[]): Promise<void>;
}

export interface DispatcherOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Clock;
  readonly events: EventSink;
  /** Names this process, and no other. */
  readonly owner: string;
}

/** Events of one delivery. */
const BATCH = 200;
const LEASE_MS = 6_000;
const RENEW_MS = 2_000;
/** Deliveries of one event before it is set aside, where the failure is not that of a database. */
const MAX_ATTEMPTS = 15;
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 30_000;

interface Failures {
  count: number;
  /** Monotonic milliseconds: no attempt before that. */
  pausedUntil: number;
}

/**
 * Delivers the events of the log to consumers: at least once, and in order for each subject. Each partition is read by
 * one gateway at a time, which leases its cursor; gateways share the partitions as they find them free. The lease of a
 * gateway that died ends after 6 seconds.
 */
export class EventDispatcher {
  readonly #consumers: ConsumerLoop[] = [];

  constructor(private readonly options: DispatcherOptions) {}

  /** Adds a consumer. One that is new to the database receives events from `register` on. */
  subscribe(consumer: EventConsumer): void {
    this.#consumers.push(new ConsumerLoop(consumer, this.options));
  }

  /**
   * Stores the places of consumers that are new to the database. To be called before the first event that they must not
   * miss: otherwise their first delivery does it.
   * @throws the database's error
   */
  async register(): Promise<void> {
    for (const consumer of this.#consumers) await consumer.register();
  }

  /** Delivers what is waiting, in the background; to be called after commits, and once a second. */
  wake(): void {
    for (const consumer of this.#consumers) consumer.wake();
  }

  /** Resolves when no delivery is under way and none is requested. */
  async idle(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.idle()));
  }

  /** Ends deliveries at the next batch, and leaves the rest to others. */
  async close(): Promise<void> {
    for (const consumer of this.#consumers) consumer.close();
    await this.idle();
  }
}

/** Deliveries to one consumer. */
class ConsumerLoop {
  #running: Promise<void> | undefined;
  #again = false;
  #isClosed = false;
  #isKnown = false;
  #isFailing = false;
  /** Of the log when everything up to it was delivered: there is nothing to read until it moves. */
  #doneUpTo = -1;
  readonly #failures = new Map<number, Failures>();

  constructor(
    private readonly consumer: EventConsumer,
    private readonly options: DispatcherOptions,
  ) {}

  wake(): void {
    if (this.#isClosed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async register(): Promise<void> {
    if (this.#isKnown) return;
    const { control, clock } = this.options;
    await addCursors(control, this.consumer.name, PARTITIONS, clock.wallTime());
    this.#isKnown = true;
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      try {
        await this.#drain();
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  async #drain(): Promise<void> {
    const { control } = this.options;
    const { name } = this.consumer;
    await this.register();
    const head = await eventHead(control);
    if (head === this.#doneUpTo) return;
    const waiting = await waitingCursors(control, name);
    if (waiting.length === 0) {
      this.#doneUpTo = head;
      this.#isFailing = false;
      return;
    }
    // Gateways that wake at the same time begin at different partitions.
    const first = Math.floor(Math.random() * waiting.length);
    for (const partition of [...waiting.slice(first), ...waiting.slice(0, first)]) {
      if (this.#isClosed) return;
      if (!this.#isPaused(partition) && (await this.#drainPartition(partition))) this.#again = true;
    }
  }

  /** @returns false when events are left, because of a failure or another gateway */
  async #drainPartition(partition: number): Promise<boolean> {
    const { control, clock, owner } = this.options;
    const wanted = { consumer: this.consumer.name, partition, owner };
    const lease = await leaseCursor(control, wanted, clock.wallTime(), LEASE_MS);
    if (!lease) return false;
    const renewal = this.#keepLease(lease);
    try {
      await this.#deliverAll(lease);
      this.#failures.delete(partition);
      if (this.#failures.size === 0) this.#isFailing = false;
      return true;
    } catch (error) {
      this.#pause(partition);
      this.#failed(error);
      return false;
    } finally {
      renewal.abort();
      await extendLease(control, lease, clock.wallTime(), 0).catch((error: unknown) => this.#failed(error));
    }
  }

  async #deliverAll(lease: CursorLease): Promise<void> {
    const { control } = this.options;
    const { partition } = lease;
    let { sequence } = lease;
    while (!this.#isClosed) {
      // One by one after a failure, so that one event does not hold back those before it.
      const limit = this.#failures.has(partition) ? 1 : BATCH;
      const rows = await readLog(control, { partition, after: sequence, limit });
      const last = rows.at(-1);
      if (!last) return;
      await this.#deliver(rows, partition);
      if (!(await moveCursor(control, lease, last.sequence))) return;
      ({ sequence } = last);
      if (limit === 1) this.#failures.delete(partition);
      await nextTurn();
    }
  }

  async #deliver(rows: readonly EventLogRow[], partition: number): Promise<void> {
    const { consumer } = this;
    const wanted = rows.filter(({ type }) => consumer.accepts?.(type) ?? true);
    if (wanted.length === 0) return;
    try {
      await consumer.deliver(wanted.map(storedEvent));
    } catch (error) {
      const [row] = wanted;
      const attempts = this.#failures.get(partition)?.count ?? 0;
      const isPoison = wanted.length === 1 && attempts >= MAX_ATTEMPTS && !isUnavailable(error);
      if (!row || !isPoison) throw error;
      await this.#setAside(row, error);
    }
  }

  async #setAside(row: EventLogRow, error: unknown): Promise<void> {
    const { control, clock, events } = this.options;
    const { name } = this.consumer;
    await addDeadLetter(control, name, row, String(error).slice(0, 2_000), clock.wallTime());
    events.emit('events.dead_lettered', { consumer: name, event: row.id, error });
  }

  /** @returns ends the renewal */
  #keepLease(lease: CursorLease): AbortController {
    const { control, clock } = this.options;
    const end = new AbortController();
    const renew = async () => {
      while (!end.signal.aborted) {
        await clock.sleep(RENEW_MS, end.signal);
        if (!(await extendLease(control, lease, clock.wallTime(), LEASE_MS))) return;
      }
    };
    // A renewal that fails lets the lease end: the cursor then stays where it is.
    renew().catch((error: unknown) => {
      if (!end.signal.aborted) this.#failed(error);
    });
    return end;
  }

  #isPaused(partition: number): boolean {
    return (this.#failures.get(partition)?.pausedUntil ?? 0) > this.options.clock.now();
  }

  #pause(partition: number): void {
    const count = (this.#failures.get(partition)?.count ?? 0) + 1;
    const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(count, 10));
    this.#failures.set(partition, { count, pausedUntil: this.options.clock.now() + pause });
  }

  /** Reported once for each run of failures. */
  #failed(error: unknown): void {
    if (!this.#isFailing) {
      this.options.events.emit('events.delivery_failed', { consumer: this.consumer.name, error });
    }
    this.#isFailing = true;
  }
}
