import type { Kysely } from 'kysely';
import type { ControlTables } from './control-tables.ts';

/** How far behind the log a consumer is. */
export interface ConsumerLag {
  readonly consumer: string;
  /** Events that it has not received. */
  readonly events: number;
  /** Unix milliseconds of the oldest of them. */
  readonly oldest: number;
}

/** @returns consumers that have events to receive */
export async function consumerLags(db: Kysely<ControlTables>): Promise<ConsumerLag[]> {
  const rows = await db
    .selectFrom('event_cursors as cursor')
    .innerJoin('event_log as log', (join) =>
      join.onRef('log.partition', '=', 'cursor.partition').onRef('log.sequence', '>', 'cursor.sequence'),
    )
    .select(({ fn }) => [
      'cursor.consumer',
      fn.countAll<number | string>().as('events'),
      fn.min('log.created_at').as('oldest'),
    ])
    .groupBy('cursor.consumer')
    .execute();
  return rows.map(({ consumer, events, oldest }) => ({ consumer, events: Number(events), oldest }));
}

/** The bounds of the log. */
export interface LogBounds {
  /** Unix milliseconds: older events are deleted. */
  readonly before: number;
  /** The latest so many events stay. */
  readonly rows: number;
}

/** Events deleted by one statement. */
const BATCH = 1_000;

/**
 * Deletes old events, some of them.
 * @param delivered true to keep events that a consumer has not received
 * @returns the number of events; 0 when none is left
 */
export async function deleteOldEvents(
  db: Kysely<ControlTables>,
  { before, rows }: LogBounds,
  delivered: boolean,
): Promise<number> {
  const bound = await db
    .selectFrom('event_log')
    .select('sequence')
    .orderBy('sequence', 'desc')
    .offset(rows)
    .limit(1)
    .executeTakeFirst();
  const old = await db
    .selectFrom('event_log as log')
    .select('log.sequence')
    .where(({ eb, or }) =>
      or([eb('log.created_at', '<', before), ...(bound ? [eb('log.sequence', '<=', bound.sequence)] : [])]),
    )
    .$if(delivered, (query) =>
      query.where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('event_cursors as cursor')
              .select('cursor.consumer')
              .whereRef('cursor.partition', '=', 'log.partition')
              .whereRef('cursor.sequence', '<', 'log.sequence'),
          ),
        ),
      ),
    )
    .orderBy('log.sequence')
    .limit(BATCH)
    .execute();
  if (old.length === 0) return 0;
  await db
    .deleteFrom('event_log')
    .where(
      'sequence',
      'in',
      old.map(({ sequence }) => sequence),
    )
    .execute();
  return old.length;
}

/** Deletes keys that have expired, dead letters, and cursors of consumers that no gateway has any more. */
export async function deleteOldCursors(
  db: Kysely<ControlTables>,
  { now, unseenSince, deadBefore }: { now: number; unseenSince: number; deadBefore: number },
): Promise<void> {
  await db.deleteFrom('event_keys').where('expires_at', '<', now).execute();
  await db.deleteFrom('event_dead_letters').where('created_at', '<', deadBefore).execute();
  await db.deleteFrom('event_cursors').where('seen_at', '<', unseenSince).execute();
}
