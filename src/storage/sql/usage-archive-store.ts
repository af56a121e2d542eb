import type { Kysely, Transaction } from 'kysely';
import { z } from 'zod';
import { parseJsonText } from '../../core/json.ts';
import type { TenantTables, UsageArchiveRow } from './tenant-tables.ts';

type Database = Kysely<TenantTables>;

/** Lines of one batch: from inclusive, to exclusive, counted from its first line ever. */
export type ArchivedBatch = readonly [id: string, from: number, to: number];

const batchList = z.array(z.tuple([z.string(), z.int().nonnegative(), z.int().positive()]));

/** Some batches of one month that belong into one file. */
export interface ArchivePlan {
  /** `2026-11`, UTC. */
  readonly month: string;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly events: number;
  readonly batches: readonly ArchivedBatch[];
}

export interface UsageArchive extends ArchivePlan {
  readonly id: string;
  readonly state: 'writing' | 'stored';
  /** Of the compressed file; null until it is stored. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly restoredUntil: number | null;
  readonly createdAt: number;
}

/** Batches that are looked at for one file. */
const MAX_BATCHES = 2_000;

/** Files have events of one month: it is archived when all of it is old enough. */
export function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7);
}

/** @returns Unix milliseconds of the start of the month (UTC) that a time is in */
export function monthStart(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

/**
 * Selects batches for the next file: the oldest, all of one month.
 * @param before Unix milliseconds; months that end later stay
 * @param maxEvents of one file, unless one batch has more
 * @returns undefined when nothing is left
 */
export async function planArchive(
  db: Database,
  before: number,
  maxEvents: number,
): Promise<ArchivePlan | undefined> {
  const limit = monthStart(before);
  const candidates = () =>
    db
      .selectFrom('usage_batches')
      .select(['id', 'first_at', 'last_at', 'count', 'archived'])
      .where('first_at', '<', limit)
      .where('last_at', '<', before)
      .whereRef('count', '>', 'archived')
      .where('restored', '=', 0)
      .orderBy('first_at')
      .orderBy('id');
  const first = await candidates().limit(1).executeTakeFirst();
  if (!first) return undefined;
  const firstAt = Number(first.first_at);
  const nextMonth = monthStart(monthStart(firstAt) + 32 * 86_400_000);
  const rows = await candidates().where('first_at', '<', nextMonth).limit(MAX_BATCHES).execute();
  const batches: ArchivedBatch[] = [];
  let events = 0;
  let lastAt = firstAt;
  for (const { id, last_at, count, archived } of rows) {
    if (batches.length > 0 && events + count - archived > maxEvents) break;
    events += count - archived;
    lastAt = Math.max(lastAt, Number(last_at));
    batches.push([id, archived, count]);
  }
  return { month: monthOf(firstAt), firstAt, lastAt, events, batches };
}

/** @returns false when another process has a plan for this tenant that is not finished */
export async function insertPlan(
  db: Database,
  id: string,
  { month, firstAt, lastAt, events, batches }: ArchivePlan,
  { now, leaseUntil }: { readonly now: number; readonly leaseUntil: number },
): Promise<boolean> {
  const inserted = await db
    .insertInto('usage_archives')
    .values({
      ...{ id, month, events, state: 'writing', first_at: firstAt, last_at: lastAt },
      ...{ batches: JSON.stringify(batches), bytes: null, sha256: null },
      ...{ lease_until: leaseUntil, restored_until: null, created_at: now },
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute();
  return inserted.length > 0;
}

/** @returns the plan that a process has left; undefined when there is none, or its process may still run */
export async function takePlan(
  db: Database,
  { now, leaseUntil }: { readonly now: number; readonly leaseUntil: number },
): Promise<UsageArchive | undefined> {
  const row = await db
    .updateTable('usage_archives')
    .set({ lease_until: leaseUntil })
    .where('state', '=', 'writing')
    .where('lease_until', '<=', now)
    .returningAll()
    .executeTakeFirst();
  return row && archiveOf(row);
}

/** @returns the lines of a batch that the database has, of those that are asked for */
export async function linesOf(db: Database, [id, from, to]: ArchivedBatch): Promise<readonly string[]> {
  const row = await db
    .selectFrom('usage_batches')
    .select(['events', 'archived'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) return [];
  return splitLines(row.events).slice(Math.max(0, from - row.archived), Math.max(0, to - row.archived));
}

/** Marks a file as stored and removes its lines from the database, in one transaction. Does nothing a second time. */
export async function finishPlan(
  db: Database,
  { id, batches }: UsageArchive,
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string },
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const finished = await transaction
      .updateTable('usage_archives')
      .set({ state: 'stored', bytes, sha256 })
      .where('id', '=', id)
      .where('state', '=', 'writing')
      .returning('id')
      .execute();
    if (finished.length === 0) return;
    for (const batch of batches) await dropLines(transaction, batch);
  });
}

/** Gives up a plan whose lines the database no longer has. */
export async function deleteArchive(db: Database, id: string): Promise<void> {
  await db.deleteFrom('usage_archives').where('id', '=', id).execute();
}

/** @returns the archives of a time range, in order. Unix milliseconds: from inclusive, to exclusive */
export async function listArchives(
  db: Database,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { readonly from?: number; readonly to?: number } = {},
): Promise<UsageArchive[]> {
  const rows = await db
    .selectFrom('usage_archives')
    .selectAll()
    .where('state', '=', 'stored')
    .where('last_at', '>=', from)
    .where('first_at', '<', to)
    .orderBy('first_at')
    .orderBy('id')
    .execute();
  return rows.map(archiveOf);
}

/**
 * Puts the lines of an archive back, until they are dropped again. The sums contain them all the time.
 * @param lines of each batch
 * @returns the number of lines that came back; those of a batch that has later lines in another archive do not
 */
export async function restoreLines(
  db: Database,
  { id, batches }: UsageArchive,
  lines: ReadonlyMap<string, readonly { readonly at: number; readonly line: string }[]>,
  until: number,
): Promise<number> {
  return db.transaction().execute(async (transaction) => {
    await transaction
      .updateTable('usage_archives')
      .set({ restored_until: until })
      .where('id', '=', id)
      .execute();
    let restored = 0;
    for (const [batch, from, to] of batches) {
      const own = lines.get(batch) ?? [];
      const row = await transaction
        .selectFrom('usage_batches')
        .select(['events', 'archived'])
        .where('id', '=', batch)
        .executeTakeFirst();
      const text = [...own.map(({ line }) => line), ...splitLines(row?.events ?? '')].join('\n');
      if (row) {
        if (row.archived !== to) continue;
        await transaction
          .updateTable('usage_batches')
          .set({ events: text, archived: from, restored: 1 })
          .where('id', '=', batch)
          .execute();
      } else {
        const times = own.map(({ at }) => at);
        await transaction
          .insertInto('usage_batches')
          .values({
            ...{ id: batch, first_at: Math.min(...times), last_at: Math.max(...times), count: to },
            ...{ events: text, archived: from, restored: 1 },
          })
          .execute();
      }
      restored += own.length;
    }
    return restored;
  });
}

/** Drops the lines of archives that were restored until now. @returns the number of archives */
export async function dropRestored(db: Database, now: number): Promise<number> {
  const rows = await db.selectFrom('usage_archives').selectAll().where('restored_until', '<=', now).execute();
  for (const row of rows) {
    await db.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('usage_archives')
        .set({ restored_until: null })
        .where('id', '=', row.id)
        .execute();
      for (const batch of archiveOf(row).batches) await dropLines(transaction, batch);
    });
  }
  return rows.length;
}

/** Removes lines that an archive has. The row stays, so that a batch that arrives again is still known. */
async function dropLines(transaction: Transaction<TenantTables>, [id, , to]: ArchivedBatch): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('usage_batches')
    .set(({ ref }) => ({ events: '', archived: ref('count'), restored: 0 }))
    .where('id', '=', id)
    .where('count', '=', to)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) {
    await transaction.deleteFrom('usage_batch_index').where('batch', '=', id).execute();
    return;
  }
  // It has grown since. Locks the row, and changes nothing.
  await transaction
    .updateTable('usage_batches')
    .set(({ ref }) => ({ count: ref('count') }))
    .where('id', '=', id)
    .execute();
  const row = await transaction
    .selectFrom('usage_batches')
    .select(['events', 'archived', 'count'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) return;
  const kept = splitLines(row.events).slice(Math.max(0, to - row.archived));
  await transaction
    .updateTable('usage_batches')
    .set({ events: kept.join('\n'), archived: row.count - kept.length, restored: 0 })
    .where('id', '=', id)
    .execute();
}

function splitLines(events: string): string[] {
  return events.split('\n').filter((line) => line !== '');
}

function archiveOf(row: UsageArchiveRow): UsageArchive {
  return {
    id: row.id,
    state: row.state === 'stored' ? 'stored' : 'writing',
    month: row.month,
    firstAt: Number(row.first_at),
    lastAt: Number(row.last_at),
    events: row.events,
    batches: batchList.parse(parseJsonText(row.batches)),
    bytes: row.bytes === null ? null : Number(row.bytes),
    sha256: row.sha256,
    restoredUntil: row.restored_until === null ? null : Number(row.restored_until),
    createdAt: Number(row.created_at),
  };
}
