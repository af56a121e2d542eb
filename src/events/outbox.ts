import type { Kysely } from 'kysely';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { appendToLog, claimEventKey, type UnplacedEvent } from '../storage/sql/event-log.ts';
import { type EventSources, type NewEvent, rowOf } from './stored-event.ts';

/** What keeps an event from being stored twice. */
export interface OnceKey {
  /** Names the fact that the event reports, such as `budget:key_1:2026-11:80`. */
  readonly key: string;
  /** Unix milliseconds until which the key is kept: after the end of the period that it names. */
  readonly keepUntil: number;
}

/**
 * Stores durable events in the control database, in the transaction of the change that they report: neither exists
 * without the other. Events of a change in a tenant's database go through `TenantChange.emit` instead.
 *
 * @example
 * await change(control, async (transaction) => {
 *   await markPaid(transaction, invoice);
 *   await outbox.append(transaction, [{ type: 'invoice.paid', tenant, data }]); // last
 * });
 * outbox.wake();
 */
export class Outbox {
  /**
   * @param control the control database
   * @param sources of ids and times
   * @param onAppended wakes consumers after a commit; they look once a second otherwise
   */
  constructor(
    private readonly control: Kysely<ControlTables>,
    private readonly sources: EventSources,
    private readonly onAppended: () => void,
  ) {}

  /**
   * Stores events with a change. Call it last in the transaction: it locks the end of the log.
   * @param transaction of the control database
   * @throws ZodError for data that breaks its contract, or the database's error; roll back then
   */
  append(transaction: Kysely<ControlTables>, events: readonly NewEvent[]): Promise<void> {
    return appendToLog(
      transaction,
      events.map((event) => rowOf(event, this.sources)),
    );
  }

  /**
   * Stores an event unless one was stored with the same key, also when that was deleted since.
   * @returns whether it was stored
   */
  async appendOnce(
    transaction: Kysely<ControlTables>,
    event: NewEvent,
    { key, keepUntil }: OnceKey,
  ): Promise<boolean> {
    if (!(await claimEventKey(transaction, key, keepUntil))) return false;
    await this.append(transaction, [event]);
    return true;
  }

  /** Stores events in a transaction of their own, and wakes consumers. @throws as `append` */
  async publish(events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.control.transaction().execute((transaction) => this.append(transaction, events));
    this.wake();
  }

  /** Stores events that have their rows already: those of tenants' databases. @throws the database's error */
  async publishRows(rows: readonly UnplacedEvent[]): Promise<void> {
    await this.control.transaction().execute((transaction) => appendToLog(transaction, rows));
    this.wake();
  }

  /** As `appendOnce`, in a transaction of its own. */
  async publishOnce(event: NewEvent, once: OnceKey): Promise<boolean> {
    const stored = await this.control
      .transaction()
      .execute((transaction) => this.appendOnce(transaction, event, once));
    if (stored) this.wake();
    return stored;
  }

  /** Makes consumers receive committed events now. */
  wake(): void {
    this.onAppended();
  }
}
