import { type QueryExecutorProvider, sql } from 'kysely';
import type { AuditLogRow } from './tenant-tables.ts';

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

/** @returns entries of a database's audit trail, newest first */
export async function readAudit(db: QueryExecutorProvider, query: AuditQuery): Promise<AuditLogRow[]> {
  const { actor, action, subject, from, to, limit, before } = query;
  const conditions = [sql`1 = 1`];
  if (actor !== undefined) conditions.push(sql`actor = ${actor}`);
  if (action !== undefined) conditions.push(sql`action = ${action}`);
  if (subject !== undefined) conditions.push(sql`subject = ${subject}`);
  if (from !== undefined) conditions.push(sql`at >= ${from}`);
  if (to !== undefined) conditions.push(sql`at < ${to}`);
  if (before) conditions.push(sql`(at < ${before.at} OR (at = ${before.at} AND id < ${before.id}))`);
  const { rows } = await sql<AuditLogRow>`
    SELECT * FROM audit_log
    WHERE ${sql.join(conditions, sql` AND `)} ORDER BY at DESC, id DESC LIMIT ${limit}`.execute(db);
  return rows;
}
