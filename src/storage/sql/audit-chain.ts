import { createHash } from 'node:crypto';
import { type QueryExecutorProvider, sql } from 'kysely';
import type { AuditEntry, AuditLogRow, AuditRow, AuditSealRow } from './tenant-tables.ts';

/** The hash before the first entry. */
export const FIRST_HASH = '0'.repeat(64);
/** Entries of one statement. */
const ENTRIES = 500;

/** A place in the chain: that of the last entry so far. */
export interface AuditHead {
  /** Number of entries since the beginning, deleted ones included. */
  readonly sequence: number;
  readonly hash: string;
}

/**
 * The hash of an entry: SHA-256 of a JSON list with the hash before, the sequence, and the entry's values as they are stored.
 * A change, removal or move of an entry is visible, unless all later hashes are computed again; then the head differs from
 * the one that was logged.
 */
export function entryHash(previous: string, sequence: number, entry: AuditEntry): string {
  const { id, at, actor, actor_name, action, subject, details, address, request_id } = entry;
  const content = [
    previous,
    sequence,
    id,
    at,
    actor,
    actor_name,
    action,
    subject,
    details,
    address,
    request_id,
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/**
 * Appends an entry in the transaction of the change that it records, so that neither exists without the other. Other writers
 * wait for the end of the transaction: the chain has no branches.
 * @throws the database's error; the transaction must then be rolled back
 */
export function writeAudit(transaction: QueryExecutorProvider, entry: AuditEntry): Promise<void> {
  return writeAuditBatch(transaction, [entry]);
}

/**
 * The same for several entries, in their order.
 * @param entries at least one, and at most a few hundred: they are one statement
 */
export async function writeAuditBatch(
  transaction: QueryExecutorProvider,
  entries: readonly AuditEntry[],
): Promise<void> {
  const place = await takePlaces(transaction, entries.length);
  let { hash } = place;
  let sequence = place.sequence - entries.length;
  const rows = entries.map((entry) => {
    sequence += 1;
    hash = entryHash(hash, sequence, entry);
    const { id, at, actor, actor_name, action, subject, details, address, request_id } = entry;
    return sql`(${sequence}, ${hash}, ${id}, ${at}, ${actor}, ${actor_name}, ${action}, ${subject}, ${details}, ${address}, ${request_id})`;
  });
  await sql`
    INSERT INTO audit_log (sequence, hash, id, at, actor, actor_name, action, subject, details, address, request_id)
    VALUES ${sql.join(rows)}`.execute(transaction);
  await sql`UPDATE audit_head SET hash = ${hash} WHERE id = 1`.execute(transaction);
}

/** Takes the next sequences, and the lock of the head. @returns the last of them, with the hash before the first */
async function takePlaces(transaction: QueryExecutorProvider, count: number): Promise<AuditHead> {
  const { rows } = await sql<AuditHead>`
    INSERT INTO audit_head (id, sequence, hash) VALUES (1, ${count}, ${FIRST_HASH})
    ON CONFLICT (id) DO UPDATE SET sequence = audit_head.sequence + ${count} RETURNING sequence, hash`.execute(
    transaction,
  );
  const [place] = rows;
  if (!place) throw new Error('The database returned no place for an audit entry.');
  return place;
}

/**
 * Puts entries of versions before the chain at its end, the oldest first.
 * @param transaction in which no one else appends
 * @returns the number of entries; 0 when none is left
 */
export async function chainEntries(transaction: QueryExecutorProvider): Promise<number> {
  const { rows } = await sql<AuditLogRow>`
    SELECT * FROM audit_log WHERE sequence IS NULL ORDER BY at, id LIMIT ${sql.lit(ENTRIES)}`.execute(
    transaction,
  );
  if (rows.length === 0) return 0;
  const next = await takePlaces(transaction, 1);
  let { hash } = next;
  let sequence = next.sequence - 1;
  for (const entry of rows) {
    sequence += 1;
    hash = entryHash(hash, sequence, entry);
    await sql`UPDATE audit_log SET sequence = ${sequence}, hash = ${hash} WHERE id = ${entry.id}`.execute(
      transaction,
    );
  }
  await sql`UPDATE audit_head SET sequence = ${sequence}, hash = ${hash} WHERE id = 1`.execute(transaction);
  return rows.length;
}

/** @returns the end of the chain; sequence 0 before the first entry */
export async function readHead(db: QueryExecutorProvider): Promise<AuditHead> {
  const { rows } = await sql<AuditHead>`SELECT sequence, hash FROM audit_head WHERE id = 1`.execute(db);
  return rows[0] ?? { sequence: 0, hash: FIRST_HASH };
}

/** @returns entries in the order of the chain, from a sequence on; at most 500 */
export async function readChain(db: QueryExecutorProvider, from: number): Promise<AuditRow[]> {
  const { rows } = await sql<AuditRow>`
    SELECT * FROM audit_log WHERE sequence >= ${from} ORDER BY sequence LIMIT ${sql.lit(ENTRIES)}`.execute(
    db,
  );
  return rows;
}

/** @returns where the chain begins: after the last part that was deleted */
export async function readStart(db: QueryExecutorProvider): Promise<AuditHead> {
  const { rows } = await sql<AuditSealRow>`
    SELECT * FROM audit_seals ORDER BY last_sequence DESC LIMIT 1`.execute(db);
  const [seal] = rows;
  return seal ? { sequence: seal.last_sequence, hash: seal.last_hash } : { sequence: 0, hash: FIRST_HASH };
}

/**
 * Deletes the oldest entries, and seals the chain where it begins now. Entries after the first one that is not older stay:
 * the chain has no gaps.
 * @param transaction in which the seal and the deletion are one change
 * @param olderThan Unix milliseconds
 * @returns the number of entries; 0 when none is left
 */
export async function deleteSealed(transaction: QueryExecutorProvider, olderThan: number): Promise<number> {
  const { rows } = await sql<Pick<AuditRow, 'at' | 'sequence' | 'hash'>>`
    SELECT at, sequence, hash FROM audit_log WHERE sequence IS NOT NULL
    ORDER BY sequence LIMIT ${sql.lit(ENTRIES)}`.execute(transaction);
  const newer = rows.findIndex(({ at }) => at >= olderThan);
  const old = newer < 0 ? rows : rows.slice(0, newer);
  const [first, last] = [old[0], old.at(-1)];
  if (!first || !last) return 0;
  await sql`
    INSERT INTO audit_seals (first_sequence, last_sequence, last_hash, older_than)
    VALUES (${first.sequence}, ${last.sequence}, ${last.hash}, ${olderThan})`.execute(transaction);
  await sql`DELETE FROM audit_log WHERE sequence <= ${last.sequence}`.execute(transaction);
  return old.length;
}
