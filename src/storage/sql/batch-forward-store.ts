import type { Kysely } from 'kysely';
import type { BatchForwardRow } from './batch-tables.ts';
import type { ControlTables } from './control-tables.ts';

/** A part of a batch that a provider runs. */
export type ForwardKey = Pick<BatchForwardRow, 'batch' | 'part'>;

/** Adds parts of a batch. */
export async function addForwards(
  db: Kysely<ControlTables>,
  rows: readonly BatchForwardRow[],
): Promise<void> {
  // SQLite binds at most 32,766 values in one statement.
  for (let at = 0; at < rows.length; at += 100) {
    await db
      .insertInto('batch_forwards')
      .values(rows.slice(at, at + 100))
      .execute();
  }
}

/** @returns undefined where there is no such part */
export function forwardById(
  db: Kysely<ControlTables>,
  { batch, part }: ForwardKey,
): Promise<BatchForwardRow | undefined> {
  return db
    .selectFrom('batch_forwards')
    .selectAll()
    .where('batch', '=', batch)
    .where('part', '=', part)
    .executeTakeFirst();
}

/**
 * Changes a part that is in a certain state.
 * @param token of the submission that it must have
 * @returns false for a part in another state
 */
export async function changeForward(
  db: Kysely<ControlTables>,
  { batch, part, state, token }: Pick<BatchForwardRow, 'batch' | 'part' | 'state' | 'token'>,
  change: Partial<Omit<BatchForwardRow, 'batch' | 'part' | 'tenant'>>,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('batch_forwards')
    .set(change)
    .where('batch', '=', batch)
    .where('part', '=', part)
    .where('state', '=', state)
    .where('token', '=', token)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** @returns the number of a batch's parts that a provider may still run */
export async function openForwards(db: Kysely<ControlTables>, batch: string): Promise<number> {
  const row = await db
    .selectFrom('batch_forwards')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where('batch', '=', batch)
    .where('state', '!=', 'done')
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** @returns the ids of a provider's batches that belong to parts */
export async function knownRemotes(
  db: Kysely<ControlTables>,
  provider: string,
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('batch_forwards')
    .select('remote')
    .where('provider', '=', provider)
    .where('remote', '!=', '')
    .execute();
  return new Set(rows.map(({ remote }) => remote));
}

/** Deletes the parts of a batch that no provider runs any more. */
export async function deleteForwards(db: Kysely<ControlTables>, batch: string): Promise<void> {
  await db.deleteFrom('batch_forwards').where('batch', '=', batch).where('state', '=', 'done').execute();
}

/** A process that has reserved what parts use, until Unix milliseconds. */
export interface ForwardHolder {
  readonly holder: string;
  readonly until: number;
}

/** Makes a process the holder of a part. @returns false where another one is, or the part is done */
export async function takeHolder(
  db: Kysely<ControlTables>,
  { batch, part }: ForwardKey,
  { holder, until }: ForwardHolder,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('batch_forwards')
    .set({ holder, held_until: until })
    .where('batch', '=', batch)
    .where('part', '=', part)
    .where('state', '!=', 'done')
    .where((is) => is.or([is('holder', 'in', ['', holder]), is('held_until', '<=', now)]))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Leaves a part without a holder. */
export async function giveUpHolder(db: Kysely<ControlTables>, { batch, part }: ForwardKey): Promise<void> {
  await db
    .updateTable('batch_forwards')
    .set({ holder: '', held_until: 0 })
    .where('batch', '=', batch)
    .where('part', '=', part)
    .execute();
}

/** Extends the time for all parts of a holder. */
export async function extendHolders(
  db: Kysely<ControlTables>,
  { holder, until }: ForwardHolder,
): Promise<void> {
  await db
    .updateTable('batch_forwards')
    .set({ held_until: until })
    .where('holder', '=', holder)
    .where('state', '!=', 'done')
    .execute();
}

/** @returns the parts of a holder that are not done */
export function heldBy(db: Kysely<ControlTables>, holder: string): Promise<ForwardKey[]> {
  return db
    .selectFrom('batch_forwards')
    .select(['batch', 'part'])
    .where('holder', '=', holder)
    .where('state', '!=', 'done')
    .execute();
}

/** Deletes a part, unless it was submitted again. @returns whether it was there */
export async function deleteForward(
  db: Kysely<ControlTables>,
  { batch, part, token }: ForwardKey & Pick<BatchForwardRow, 'token'>,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('batch_forwards')
    .where('batch', '=', batch)
    .where('part', '=', part)
    .where('token', '=', token)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
