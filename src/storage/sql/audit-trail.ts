import { type QueryExecutorProvider, sql } from 'kysely';
import type { AuditRow } from './tenant-tables.ts';

/** Filters of the audit trail. */
export interface AuditQuery {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  /** Unix milliseconds, inclusive. */
  readonly from?: number | undefined;
  /** Unix milliseconds, exclusive. */
  readonly to?: number | undefined;
  /** Maximum number of entries. */
  readonly limit: number;
  /** The last entry of the previous page. */
  readonly before?: { readonly at: number; readonly id: string } | undefined;
}

/**
 * Writes an audit entry in the transaction of the change, so that neither exists without the other.
 *
 * @throws the database's error; the transaction must then be rolled back
 */
export async function writeAudit(transaction: QueryExecutorProvider, entry: AuditRow): Promise<void> {
  await sql`
    INSERT INTO audit_log (id, at, actor, actor_name, action, subject, details, address, request_id)
    VALUES (${entry.id}, ${entry.at}, ${entry.actor}, ${entry.actor_name}, ${entry.action}, ${entry.subject},
      ${entry.details}, ${entry.address}, ${entry.request_id})`.execute(transaction);
}

/** @returns entries of a database's audit trail, newest first */
export async function readAudit(db: QueryExecutorProvider, query: AuditQuery): Promise<AuditRow[]> {
  const { actor, action, subject, from, to, limit, before } = query;
  const conditions = [sql`1 = 1`];
  if (actor !== undefined) conditions.push(sql`actor = ${actor}`);
  if (action !== undefined) conditions.push(sql`action = ${action}`);
  if (subject !== undefined) conditions.push(sql`subject = ${subject}`);
  if (from !== undefined) conditions.push(sql`at >= ${from}`);
  if (to !== undefined) conditions.push(sql`at < ${to}`);
  if (before) conditions.push(sql`(at < ${before.at} OR (at = ${before.at} AND id < ${before.id}))`);
  const { rows } = await sql<AuditRow>`
    SELECT id, at, actor, actor_name, action, subject, details, address, request_id FROM audit_log
    WHERE ${sql.join(conditions, sql` AND `)} ORDER BY at DESC, id DESC LIMIT ${limit}`.execute(db);
  return rows;
}
