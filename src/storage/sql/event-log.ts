import { type Kysely, SqliteAdapter, sql } from 'kysely';
import type { ControlTables } from './control-tables.ts';
import type { EventLogRow } from './event-tables.ts';

/** An event without its place in the log. */
export type UnplacedEvent = Omit<EventLogRow, 'sequence'>;

/** Rows of one statement: databases limit its parameters. */
const ROWS = 500;

/**
 * Appends events in the transaction of a change. The row of the head is locked until the transaction ends, so sequences
 * become visible in their order. Call it last in a transaction: others wait for its end.
 * @param events an event whose id is stored already is skipped
 */
export async function appendToLog(
  transaction: Kysely<ControlTables>,
  events: readonly UnplacedEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const { sequence } = await transaction
    .insertInto('event_head')
    .values({ id: 1, sequence: events.length })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ sequence: sql`event_head.sequence + ${events.length}` }),
    )
    .returning('sequence')
    .executeTakeFirstOrThrow();
  const first = sequence - events.length + 1;
  for (let from = 0; from < events.length; from += ROWS) {
    await transaction
      .insertInto('event_log')
      .values(
        events.slice(from, from + ROWS).map((event, index) => ({ ...event, sequence: first + from + index })),
      )
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }
}

/** Claims a key that no event may be repeated for. @returns false when it was claimed before */
export async function claimEventKey(
  transaction: Kysely<ControlTables>,
  key: string,
  expiresAt: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await transaction
    .insertInto('event_keys')
    .values({ key, expires_at: expiresAt })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** @returns those of some keys that were claimed, and not deleted since */
export async function claimedEventKeys(
  db: Kysely<ControlTables>,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let from = 0; from < keys.length; from += ROWS) {
    const some = keys.slice(from, from + ROWS);
    const rows = await db.selectFrom('event_keys').select('key').where('key', 'in', some).execute();
    for (const { key } of rows) found.add(key);
  }
  return found;
}

/** @returns the sequence of the last committed event; 0 before the first */
export async function eventHead(db: Kysely<ControlTables>): Promise<number> {
  const row = await db.selectFrom('event_head').select('sequence').executeTakeFirst();
  return row?.sequence ?? 0;
}

/** Which part of the log is read. */
export interface LogRange {
  readonly after: number;
  readonly limit: number;
  readonly partition?: number | undefined;
  /** Empty for events of the platform; undefined for all. */
  readonly tenant?: string | undefined;
}

/** @returns events in the order of the log */
export function readLog(db: Kysely<ControlTables>, range: LogRange): Promise<EventLogRow[]> {
  const { after, limit, partition, tenant } = range;
  return db
    .selectFrom('event_log')
    .selectAll()
    .where('sequence', '>', after)
    .$if(partition !== undefined, (query) => query.where('partition', '=', partition ?? 0))
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
    .orderBy('sequence')
    .limit(limit)
    .execute();
}

/** @param filter with the sequence before which events are read @returns events, the latest first */
export function readLogBackwards(
  db: Kysely<ControlTables>,
  {
    tenant,
    type,
    limit,
    before,
  }: Pick<LogRange, 'tenant' | 'limit'> & { type?: string | undefined; before?: number | undefined },
): Promise<EventLogRow[]> {
  return db
    .selectFrom('event_log')
    .selectAll()
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
    .$if(type !== undefined, (query) => query.where('type', '=', type ?? ''))
    .$if(before !== undefined, (query) => query.where('sequence', '<', before ?? 0))
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute();
}

/** Adds the cursors that a consumer lacks, at the end of the log. Existing ones stay where they are. */
export async function addCursors(
  db: Kysely<ControlTables>,
  consumer: string,
  partitions: number,
  now: number,
): Promise<void> {
  const sequence = await eventHead(db);
  const rows = Array.from({ length: partitions }, (_, partition) => ({
    ...{ consumer, partition, sequence, owner: '', lease_until: 0, fence: 0, seen_at: now },
  }));
  await db
    .insertInto('event_cursors')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['consumer', 'partition']).doUpdateSet({ seen_at: now }))
    .execute();
}

/** @returns the partitions with events that a consumer has not received */
export async function waitingCursors(db: Kysely<ControlTables>, consumer: string): Promise<number[]> {
  const rows = await db
    .selectFrom('event_cursors as cursor')
    .select('cursor.partition')
    .where('cursor.consumer', '=', consumer)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('event_log as log')
          .select('log.sequence')
          .whereRef('log.partition', '=', 'cursor.partition')
          .whereRef('log.sequence', '>', 'cursor.sequence'),
      ),
    )
    .execute();
  return rows.map(({ partition }) => partition);
}

/** A gateway's right to read a partition for a consumer. */
export interface CursorLease {
  readonly consumer: string;
  readonly partition: number;
  readonly owner: string;
  readonly fence: number;
  /** Where the cursor was. */
  readonly sequence: number;
}

/**
 * Leases a cursor. Leases end by the clock of the database server where there is one: clocks of gateways differ.
 * @param ms length of the lease
 * @returns undefined while another gateway has it
 */
export async function leaseCursor(
  db: Kysely<ControlTables>,
  { consumer, partition, owner }: Pick<CursorLease, 'consumer' | 'partition' | 'owner'>,
  now: number,
  ms: number,
): Promise<CursorLease | undefined> {
  const time = leaseTime(db, now);
  const row = await db
    .updateTable('event_cursors')
    .set({ owner, lease_until: sql`${time} + ${ms}`, fence: sql`fence + 1`, seen_at: now })
    .where('consumer', '=', consumer)
    .where('partition', '=', partition)
    .where('lease_until', '<', time)
    .returning(['fence', 'sequence'])
    .executeTakeFirst();
  return row && { consumer, partition, owner, ...row };
}

/** Extends a lease, or ends it with 0. @returns false when it was lost */
export async function extendLease(
  db: Kysely<ControlTables>,
  lease: CursorLease,
  now: number,
  ms: number,
): Promise<boolean> {
  const until = ms === 0 ? sql<number>`0` : sql<number>`${leaseTime(db, now)} + ${ms}`;
  const { numUpdatedRows } = await db
    .updateTable('event_cursors')
    .set({ lease_until: until })
    .where('consumer', '=', lease.consumer)
    .where('partition', '=', lease.partition)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Moves a leased cursor. @returns false when the lease was lost, and the cursor stays */
export async function moveCursor(
  db: Kysely<ControlTables>,
  lease: CursorLease,
  sequence: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('event_cursors')
    .set({ sequence })
    .where('consumer', '=', lease.consumer)
    .where('partition', '=', lease.partition)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Sets an event aside that a consumer cannot process. */
export async function addDeadLetter(
  db: Kysely<ControlTables>,
  consumer: string,
  row: EventLogRow,
  error: string,
  now: number,
): Promise<void> {
  await db
    .insertInto('event_dead_letters')
    .values({ consumer, id: row.id, event: JSON.stringify(row), error, created_at: now })
    .onConflict((conflict) => conflict.columns(['consumer', 'id']).doNothing())
    .execute();
}

/** The time by which leases end; Unix milliseconds. */
export function leaseTime(db: Kysely<ControlTables>, now: number) {
  return db.getExecutor().adapter instanceof SqliteAdapter
    ? sql<number>`${now}`
    : sql<number>`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)`;
}
