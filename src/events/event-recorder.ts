import type { EventSink } from './event-bus.ts';
import type { Outbox } from './outbox.ts';
import type { EventSources, NewEvent } from './stored-event.ts';

export interface EventRecorderOptions {
  readonly outbox: Pick<Outbox, 'publish'>;
  readonly sources: EventSources;
  readonly events: EventSink;
}

/** Events that wait for the database, at most. */
const MAX_WAITING = 10_000;
/** Events of one transaction. */
const BATCH = 500;

/**
 * Stores events of this process that no transaction reports, such as a failed health check. They wait in memory while
 * the database is unreachable, and get their id and time when they happen.
 */
export class EventRecorder {
  #waiting: NewEvent[] = [];
  #flushing: Promise<void> | undefined;
  #isFailing = false;

  constructor(private readonly options: EventRecorderOptions) {}

  /** Records an event. Returns at once; a later `flush` stores it. */
  record(event: NewEvent): void {
    const { sources, events } = this.options;
    if (this.#waiting.length >= MAX_WAITING) {
      events.emit('events.dropped', { count: 1 });
      return;
    }
    this.#waiting.push({ ...event, id: event.id ?? sources.newId('evt'), at: sources.clock.wallTime() });
  }

  /** Stores what waits, in its order; to be called every second. Never rejects: events that fail are kept. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushAll(): Promise<void> {
    const { outbox, events } = this.options;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      try {
        await outbox.publish(batch);
      } catch (error) {
        if (!this.#isFailing) events.emit('events.record_failed', { waiting: this.#waiting.length, error });
        this.#isFailing = true;
        return;
      }
      this.#isFailing = false;
      this.#waiting = this.#waiting.slice(batch.length);
    }
  }
}
