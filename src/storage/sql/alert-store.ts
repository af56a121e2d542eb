import { type Kysely, sql } from 'kysely';
import type { AlertGroupRow, AlertMessageRow, AlertObservationRow, AlertRow } from './alert-tables.ts';
import type { ControlTables } from './control-tables.ts';
import { leaseTime } from './event-log.ts';

type Db = Kysely<ControlTables>;

/** The right to evaluate alerts: of one gateway at a time. */
export interface AlertLease {
  readonly owner: string;
  readonly fence: number;
}

/** Another gateway evaluates now: nothing was changed. */
export class AlertLeaseLost extends Error {
  override readonly name = 'AlertLeaseLost';
}

/**
 * Takes or extends the lease, by the clock of the database server where there is one.
 * @param ms length; 0 ends it
 * @returns undefined while another gateway has it
 */
export async function leaseAlerts(
  db: Db,
  owner: string,
  now: number,
  ms: number,
): Promise<AlertLease | undefined> {
  const time = leaseTime(db, now);
  const until = ms === 0 ? sql<number>`0` : sql<number>`${time} + ${ms}`;
  const held = await db
    .updateTable('alert_lease')
    .set({ lease_until: until })
    .where('id', '=', 1)
    .where('owner', '=', owner)
    .where('lease_until', '>=', time)
    .returning('fence')
    .executeTakeFirst();
  if (held) return { owner, fence: Number(held.fence) };
  if (ms === 0) return undefined;
  await db
    .insertInto('alert_lease')
    .values({ id: 1, owner: '', lease_until: 0, fence: 0 })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  const taken = await db
    .updateTable('alert_lease')
    .set({ owner, lease_until: until, fence: sql`fence + 1` })
    .where('id', '=', 1)
    .where('lease_until', '<', time)
    .returning('fence')
    .executeTakeFirst();
  return taken && { owner, fence: Number(taken.fence) };
}

/** Locks the lease for a transaction. @throws AlertLeaseLost when another gateway has taken it since */
export async function assertAlertLease(transaction: Db, { owner, fence }: AlertLease): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('alert_lease')
    .set({ owner })
    .where('id', '=', 1)
    .where('owner', '=', owner)
    .where('fence', '=', fence)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new AlertLeaseLost('another gateway evaluates alerts');
}

/** @returns alerts that have not ended */
export function openAlerts(db: Db): Promise<AlertRow[]> {
  return db.selectFrom('alerts').selectAll().where('open_key', 'is not', null).execute();
}

/** @returns how often the last alert about the same flapped, and when it ended */
export function lastAlert(
  db: Db,
  { tenant, rule, subject }: Pick<AlertRow, 'tenant' | 'rule' | 'subject'>,
): Promise<Pick<AlertRow, 'flaps' | 'resolved_at'> | undefined> {
  return db
    .selectFrom('alerts')
    .select(['flaps', 'resolved_at'])
    .where('tenant', '=', tenant)
    .where('rule', '=', rule)
    .where('subject', '=', subject)
    .where('resolved_at', 'is not', null)
    .orderBy('resolved_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Which alerts are listed. */
export interface AlertFilter {
  /** Empty for those of the platform; undefined for all. */
  readonly tenant: string | undefined;
  readonly states: readonly string[];
  readonly rule?: string | undefined;
  /** Unix milliseconds; only alerts that began since then. */
  readonly since?: number | undefined;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

/** @returns alerts, the latest first */
export function listAlerts(db: Db, filter: AlertFilter): Promise<AlertRow[]> {
  const { tenant, states, rule, since, limit, after } = filter;
  return db
    .selectFrom('alerts')
    .selectAll()
    .where('state', 'in', [...states])
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
    .$if(rule !== undefined, (query) => query.where('rule', '=', rule ?? ''))
    .$if(since !== undefined, (query) => query.where('since', '>=', since ?? 0))
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('since', '<', after?.at ?? 0),
          and([eb('since', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('since', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Rows of one statement: databases limit its parameters. */
const ROWS = 500;

/** @returns alerts by id */
export async function alertsById(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, AlertRow>> {
  const found = new Map<string, AlertRow>();
  for (let from = 0; from < ids.length; from += ROWS) {
    const some = ids.slice(from, from + ROWS);
    const rows = await db.selectFrom('alerts').selectAll().where('id', 'in', some).execute();
    for (const row of rows) found.set(row.id, row);
  }
  return found;
}

/** Replaces what one gateway reports of itself. Reports have the time of the database server: clocks of gateways differ. */
export async function saveObservations(
  db: Db,
  instance: string,
  rows: readonly Omit<AlertObservationRow, 'seen_at'>[],
  now: number,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await transaction.deleteFrom('alert_observations').where('instance', '=', instance).execute();
    for (let from = 0; from < rows.length; from += ROWS) {
      await transaction
        .insertInto('alert_observations')
        .values(rows.slice(from, from + ROWS).map((row) => ({ ...row, seen_at: leaseTime(db, now) })))
        .execute();
    }
  });
}

/** @param ms what gateways reported longer ago, they no longer do */
export function latestObservations(db: Db, now: number, ms: number): Promise<AlertObservationRow[]> {
  return db
    .selectFrom('alert_observations')
    .selectAll()
    .where('seen_at', '>=', sql<number>`${leaseTime(db, now)} - ${ms}`)
    .limit(MAX_OBSERVATIONS)
    .execute();
}
const MAX_OBSERVATIONS = 10_000;
const DAY_MS = 86_400_000;

/** Stores a message and the state of its group, or deletes a group that has ended. */
export async function saveMessage(
  transaction: Db,
  message: AlertMessageRow | undefined,
  group: AlertGroupRow,
  isOver: boolean,
): Promise<void> {
  if (message) await transaction.insertInto('alert_messages').values(message).execute();
  const { receiver, group_key, episode, reported, sent_at } = group;
  if (isOver) {
    await transaction
      .deleteFrom('alert_groups')
      .where('receiver', '=', receiver)
      .where('group_key', '=', group_key)
      .execute();
    return;
  }
  await transaction
    .insertInto('alert_groups')
    .values(group)
    .onConflict((conflict) =>
      conflict.columns(['receiver', 'group_key']).doUpdateSet({ episode, reported, sent_at }),
    )
    .execute();
}

/** @returns messages that are due, those that were not tried yet first */
export function dueMessages(db: Db, now: number, limit: number): Promise<AlertMessageRow[]> {
  return db
    .selectFrom('alert_messages')
    .selectAll()
    .where('state', '=', 'pending')
    .where('next_at', '<=', now)
    .orderBy('attempts')
    .orderBy('next_at')
    .limit(limit)
    .execute();
}

/** @returns `receiver group` of messages that are not sent yet */
export async function pendingGroups(db: Db): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('alert_messages')
    .select(['receiver', 'group_key'])
    .where('state', '=', 'pending')
    .execute();
  return new Set(rows.map(({ receiver, group_key }) => `${receiver} ${group_key}`));
}

/** Deletes what ended before a moment, and what belongs to tenants and receivers that are gone. */
export async function deleteOldAlerts(db: Db, before: number, now: number): Promise<void> {
  await db.deleteFrom('alerts').where('state', '=', 'resolved').where('resolved_at', '<', before).execute();
  await db
    .deleteFrom('alert_messages')
    .where('state', '!=', 'pending')
    .where('created_at', '<', before)
    .execute();
  await db.deleteFrom('alert_silences').where('ends_at', '<', before).execute();
  await db.deleteFrom('alert_observations').where('seen_at', '<', before).execute();
  const existing = (query: Db) => query.selectFrom('tenants').select('id').where('deleted_at', 'is', null);
  for (const table of ['alert_rules', 'alert_silences', 'alert_receivers'] as const) {
    await db.deleteFrom(table).where('tenant', '!=', '').where('tenant', 'not in', existing(db)).execute();
  }
  // Those that fire end first, so that the platform's receivers are notified.
  await db
    .deleteFrom('alerts')
    .where('tenant', '!=', '')
    .where('state', '=', 'resolved')
    .where('resolved_at', '<', now - DAY_MS)
    .where('tenant', 'not in', existing(db))
    .execute();
}

/** Messages to one receiver. */
export interface MessageFilter {
  readonly receiver: string;
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
}

/** @returns messages, the latest first */
export function listMessages(db: Db, { receiver, limit, after }: MessageFilter): Promise<AlertMessageRow[]> {
  return db
    .selectFrom('alert_messages')
    .selectAll()
    .where('receiver', '=', receiver)
    .$if(after !== undefined, (query) =>
      query.where(({ eb, or, and }) =>
        or([
          eb('created_at', '<', after?.at ?? 0),
          and([eb('created_at', '=', after?.at ?? 0), eb('id', '<', after?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}
