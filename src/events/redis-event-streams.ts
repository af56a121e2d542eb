import type { Kysely } from 'kysely';
import { isRecord, listOf } from '../core/json.ts';
import type { RedisClient } from '../platform/redis-client.ts';
import { fieldsOf } from '../platform/redis-client.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { readLog } from '../storage/sql/event-log.ts';
import type { EventConsumer } from './event-dispatcher.ts';
import { eventPayload } from './event-payload.ts';
import { PARTITIONS, partitionOf, type StoredEvent, storedEvent } from './stored-event.ts';

export interface RedisEventStreamsOptions {
  readonly control: Kysely<ControlTables>;
  /** Opens the connection; called with the first event. */
  readonly connect: () => Promise<RedisClient>;
  /** Of the keys: `<prefix>:events:0` to `<prefix>:events:7`. */
  readonly prefix: string;
  /** Events that each stream keeps, about. */
  readonly length: number;
}

const BATCH = 200;

/**
 * Appends durable events to streams of Redis, one for each partition, so that other systems read them with consumer groups.
 * The id of an entry is the event's sequence: Redis rejects an entry that it has already, so several gateways may append,
 * and a stream always has a beginning of the log without gaps. What Redis lost is appended again from the log.
 */
export class RedisEventStreams implements EventConsumer {
  readonly name = 'redis streams';

  constructor(private readonly options: RedisEventStreamsOptions) {}

  /** @throws when Redis is unreachable; the events are then delivered again */
  async deliver(events: readonly StoredEvent[]): Promise<void> {
    const [first] = events;
    const last = events.at(-1);
    if (!first || !last) return;
    await this.#append(partitionOf(first.tenant ?? '', first.subject), last.sequence);
  }

  /** Appends what Redis has lost; to be called every few seconds. @throws when Redis or the database is unreachable */
  async repair(): Promise<void> {
    const rows = await this.options.control
      .selectFrom('event_cursors')
      .select(['partition', 'sequence'])
      .where('consumer', '=', this.name)
      .execute();
    for (const { partition, sequence } of rows) {
      if (partition < PARTITIONS) await this.#append(partition, sequence);
    }
  }

  /** Appends the events of a partition up to a sequence that its stream does not have. */
  async #append(partition: number, upTo: number): Promise<void> {
    const { control, connect, prefix, length } = this.options;
    const client = await connect();
    const key = `${prefix}:events:${partition}`;
    let after = await lastId(client, key);
    while (after < upTo) {
      const rows = await readLog(control, { partition, after, limit: BATCH });
      for (const row of rows) {
        if (row.sequence <= upTo) await add(client, key, length, storedEvent(row));
      }
      const last = rows.at(-1);
      if (!last) return;
      after = last.sequence;
    }
  }
}

/** @returns the sequence of the last entry that a stream had, also after it was trimmed; 0 for none */
async function lastId(client: RedisClient, key: string): Promise<number> {
  let reply: unknown;
  try {
    reply = await client.call('XINFO', ['STREAM', key]);
  } catch (error) {
    if (error instanceof Error && /no such key/i.test(error.message)) return 0;
    throw error;
  }
  const fields = isRecord(reply) || Array.isArray(reply) ? fieldsOf(reply) : [];
  const [, id = '0-0'] = fields.find(([name]) => name === 'last-generated-id') ?? [];
  return Number(id.split('-')[0]);
}

async function add(client: RedisClient, key: string, length: number, event: StoredEvent): Promise<void> {
  const entry = ['id', event.id, 'type', event.type, 'event', JSON.stringify(eventPayload(event))];
  try {
    await client.call('XADD', [key, 'MAXLEN', '~', String(length), `${event.sequence}-0`, ...entry]);
  } catch (error) {
    // Another gateway was first.
    if (!(error instanceof Error) || !/equal or smaller than the target stream/i.test(error.message))
      throw error;
  }
}

/** @returns the events of the entries of XRANGE or XREAD, in their order; for tests and tools */
export function eventsOfEntries(reply: unknown): unknown[] {
  return listOf(reply).map((entry) => {
    const [, fields] = listOf(entry);
    const [, text = 'null'] = fieldsOf(fields).find(([name]) => name === 'event') ?? [];
    return JSON.parse(text);
  });
}
