import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  consumerLags,
  deleteOldCursors,
  deleteOldEvents,
  type LogBounds,
} from '../storage/sql/old-events.ts';
import type { EventSink } from './event-bus.ts';

export interface EventRetentionOptions {
  readonly control: Kysely<ControlTables>;
  readonly clock: Pick<Clock, 'wallTime'>;
  readonly events: EventSink;
  /** Milliseconds that delivered events are kept; null for as long as the number of rows allows. */
  readonly keepMs: () => number | null;
  /** Delivered events that are kept at most. */
  readonly rows?: number;
}

const DAY_MS = 86_400_000;
const ROWS = 1_000_000;
/** Events that a consumer has not received are kept so many times longer, then deleted and reported. */
const PATIENCE = 4;
/** A consumer that is behind for so long is reported. */
const LAG_MS = 15 * 60_000;
const UNSEEN_MS = 30 * DAY_MS;
const MAX_STATEMENTS = 200;

/** Deletes old events, by age and number. Those that a consumer lacks are kept longer, and reported. */
export class EventRetention {
  constructor(private readonly options: EventRetentionOptions) {}

  /** Deletes what is old; to be called every minute. @throws the database's error */
  async run(): Promise<void> {
    const { control, clock, events, keepMs, rows = ROWS } = this.options;
    const now = clock.wallTime();
    const keep = keepMs();
    const bounds = { before: keep === null ? 0 : now - keep, rows };
    await this.#delete(bounds, true);
    const last = { before: keep === null ? 0 : now - PATIENCE * keep, rows: PATIENCE * rows };
    for (const { consumer, events: count, oldest } of await consumerLags(control)) {
      const age = Math.max(0, now - oldest);
      if (age < LAG_MS && count < rows) continue;
      events.emit('events.consumer_lagging', { consumer, events: count, oldest_ms: age });
      if (oldest < last.before || count > last.rows) events.emit('events.expired', { consumer, count });
    }
    await this.#delete(last, false);
    const dead = now - PATIENCE * (keep ?? UNSEEN_MS);
    await deleteOldCursors(control, { now, unseenSince: now - UNSEEN_MS, deadBefore: dead });
  }

  async #delete(bounds: LogBounds, delivered: boolean): Promise<void> {
    for (let statement = 0; statement < MAX_STATEMENTS; statement += 1) {
      if ((await deleteOldEvents(this.options.control, bounds, delivered)) === 0) return;
      await nextTurn();
    }
  }
}
