import type { Kysely } from 'kysely';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { eventHead, readLog, readLogBackwards } from '../storage/sql/event-log.ts';
import { type StoredEvent, storedEvent } from './stored-event.ts';

/** Which events are listed. */
export interface EventFilter {
  /** Undefined for those of all tenants and of the platform. */
  readonly tenant: string | undefined;
  readonly type?: string | undefined;
  readonly limit: number;
  /** Sequence of the last one of the page before. */
  readonly before?: number | undefined;
}

/** Reads the log of durable events. Methods reject with the database's error. */
export class EventReader {
  constructor(private readonly control: Kysely<ControlTables>) {}

  /** @returns events, the latest first */
  async list(filter: EventFilter): Promise<StoredEvent[]> {
    return (await readLogBackwards(this.control, filter)).map(storedEvent);
  }

  /** @param tenant undefined for those of all @returns events after a sequence, in the order of the log */
  async after(tenant: string | undefined, sequence: number, limit: number): Promise<StoredEvent[]> {
    return (await readLog(this.control, { tenant, after: sequence, limit })).map(storedEvent);
  }

  /** @param tenant undefined for those of all @returns undefined when there is no such event, or it was deleted */
  async find(tenant: string | undefined, id: string): Promise<StoredEvent | undefined> {
    const row = await this.control
      .selectFrom('event_log')
      .selectAll()
      .where('id', '=', id)
      .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
      .executeTakeFirst();
    return row && storedEvent(row);
  }

  /** @returns the sequence of the last event */
  head(): Promise<number> {
    return eventHead(this.control);
  }
}
