import type { Kysely } from 'kysely';
import { parseJsonText } from '../core/json.ts';
import { type DurableEventData, type DurableEventType, isDurableEvent } from '../events/catalogue.ts';
import { contractOf, rowFrom } from '../events/stored-event.ts';
import type { UnplacedEvent } from '../storage/sql/event-log.ts';
import type { EventRow, TenantTables } from '../storage/sql/tenant-tables.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';
import type { ChangeContext, Sources } from './change-context.ts';

/** Where committed events go: the log of durable events. */
export interface TenantEventSink {
  /**
   * Stores events in the order of their changes. They are deleted here when this resolves, and delivered again, with the
   * same ids, when it rejects or the process dies before that.
   */
  deliver(events: readonly UnplacedEvent[]): Promise<void>;
  /** Called when events could not be delivered; the change itself is committed. Must not throw. */
  failed(tenant: string, error: unknown): void;
}

/** Adds an event to a change that is being written. */
export type EmitTenantEvent = <Type extends DurableEventType>(
  type: Type,
  by: Pick<ChangeContext, 'requestId'> & { readonly actor: { readonly id: string } },
  data: DurableEventData<Type>,
) => void;

type NewRow = Omit<EventRow, 'sequence' | 'position'>;

/** Events are delivered in batches of this size. */
const BATCH = 500;
/** An event that this version does not know is kept this long for one that does, then deleted. */
const KEEP_UNKNOWN_MS = 30 * 24 * 60 * 60_000;

/** Collects the events of one change. */
export class PendingEvents {
  readonly #rows: NewRow[] = [];

  constructor(private readonly sources: Sources) {}

  get size(): number {
    return this.#rows.length;
  }

  readonly emit: EmitTenantEvent = (type, by, data) => {
    this.#rows.push({
      id: this.sources.newId('evt'),
      name: type,
      version: contractOf(type).version,
      actor: by.actor.id,
      request_id: by.requestId,
      data: JSON.stringify(data),
      created_at: this.sources.clock.wallTime(),
    });
  };

  /** @param sequence the number of the change, which orders the events of a tenant */
  async insert(transaction: Kysely<TenantTables>, sequence: number): Promise<void> {
    if (this.#rows.length === 0) return;
    const rows = this.#rows.map((row, position) => ({ ...row, sequence, position }));
    for (let from = 0; from < rows.length; from += BATCH) {
      await transaction
        .insertInto('events')
        .values(rows.slice(from, from + BATCH))
        .execute();
    }
  }
}

/** Delivers the committed events of a tenant and deletes them. @returns how many were delivered */
export async function deliverTenantEvents(
  db: Kysely<TenantTables>,
  scope: TenantScope,
  sink: Pick<TenantEventSink, 'deliver'>,
  now: number,
): Promise<number> {
  let delivered = 0;
  let after = { sequence: -1, position: -1 };
  for (;;) {
    const { sequence, position } = after;
    const rows = await db
      .selectFrom('events')
      .selectAll()
      .where(({ eb, or, and }) =>
        or([
          eb('sequence', '>', sequence),
          and([eb('sequence', '=', sequence), eb('position', '>', position)]),
        ]),
      )
      .orderBy('sequence')
      .orderBy('position')
      .limit(BATCH)
      .execute();
    const last = rows.at(-1);
    if (!last) return delivered;
    after = last;
    const read = rows.map((row) => ({ row, event: eventOf(scope, row) }));
    const events = read.flatMap(({ event }) => event ?? []);
    if (events.length > 0) await sink.deliver(events);
    delivered += events.length;
    const done = read.filter(({ row, event }) => event || row.created_at < now - KEEP_UNKNOWN_MS);
    const ids = done.map(({ row }) => row.id);
    if (ids.length > 0) await db.deleteFrom('events').where('id', 'in', ids).execute();
  }
}

/** @returns undefined for an event of another version of Weir */
function eventOf({ tenant }: TenantScope, row: EventRow): UnplacedEvent | undefined {
  const { id, name, created_at: at, actor, request_id: requestId } = row;
  if (!isDurableEvent(name)) return undefined;
  const { data } = contractOf(name).data.safeParse(parseJsonText(row.data));
  return data === undefined ? undefined : rowFrom(name, tenant, data, { id, at, actor, requestId });
}
