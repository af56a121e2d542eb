import { type QueryExecutorProvider, sql } from 'kysely';
import { containsText } from './contains-text.ts';
import type { AuditLogRow } from './tenant-tables.ts';

/** The place of an entry in the order of time. */
export interface AuditCursor {
  /** Unix milliseconds. */
  readonly at: number;
  readonly id: string;
}

/** Filters of the audit trail. */
export interface AuditQuery {
  readonly id?: string | undefined;
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  /** A part of the actor, its name, the action, the subject, the address, the request id or the details; case is ignored. */
  readonly search?: string | undefined;
  /** Unix milliseconds, inclusive. */
  readonly from?: number | undefined;
  /** Unix milliseconds, exclusive. */
  readonly to?: number | undefined;
  /** Maximum number of entries. */
  readonly limit: number;
  /** The last entry of the previous page. */
  readonly before?: AuditCursor | undefined;
}

/** Entries from the newest on. */
export interface AuditPage {
  readonly rows: AuditLogRow[];
  /** The last entry that was read, where a search was ended before it had found enough; undefined at its end. */
  readonly searchedTo?: AuditCursor;
}

const SEARCHED = ['actor', 'actor_name', 'action', 'subject', 'address', 'request_id', 'details'] as const;
/** Entries of one statement of a search, and of all statements of a page: none takes long from other work. */
const SEARCH_STEP = 2_000;
const MAX_SEARCHED = 100_000;

/** @returns entries of a database's audit trail, newest first */
export async function readAudit(db: QueryExecutorProvider, query: AuditQuery): Promise<AuditPage> {
  const { search, limit } = query;
  if (search === undefined) {
    const { rows } = await sql<AuditLogRow>`
      SELECT * FROM audit_log WHERE ${conditionsOf(query)} ORDER BY at DESC, id DESC LIMIT ${limit}`.execute(
      db,
    );
    return { rows };
  }
  const rows: AuditLogRow[] = [];
  let before = query.before;
  for (let searched = 0; searched < MAX_SEARCHED; searched += SEARCH_STEP) {
    const part = sql`
      SELECT * FROM audit_log WHERE ${conditionsOf({ ...query, before })}
      ORDER BY at DESC, id DESC LIMIT ${sql.lit(SEARCH_STEP)}`;
    const found = await sql<AuditLogRow>`
      SELECT * FROM (${part}) AS part WHERE ${containsText(search, SEARCHED)}
      ORDER BY at DESC, id DESC LIMIT ${limit - rows.length}`.execute(db);
    rows.push(...found.rows);
    if (rows.length >= limit) return { rows };
    const last = await sql<AuditCursor>`
      SELECT at, id FROM (${part}) AS part ORDER BY at DESC, id DESC LIMIT 1 OFFSET ${sql.lit(SEARCH_STEP - 1)}`.execute(
      db,
    );
    if (!last.rows[0]) return { rows };
    before = { at: Number(last.rows[0].at), id: last.rows[0].id };
  }
  return before ? { rows, searchedTo: before } : { rows };
}

function conditionsOf({ id, actor, action, subject, from, to, before }: AuditQuery) {
  const conditions = [sql`1 = 1`];
  if (id !== undefined) conditions.push(sql`id = ${id}`);
  if (actor !== undefined) conditions.push(sql`actor = ${actor}`);
  if (action !== undefined) conditions.push(sql`action = ${action}`);
  if (subject !== undefined) conditions.push(sql`subject = ${subject}`);
  if (from !== undefined) conditions.push(sql`at >= ${from}`);
  if (to !== undefined) conditions.push(sql`at < ${to}`);
  if (before) conditions.push(sql`(at < ${before.at} OR (at = ${before.at} AND id < ${before.id}))`);
  return sql.join(conditions, sql` AND `);
}
