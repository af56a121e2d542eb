import { type Kysely, sql } from 'kysely';
import { requiredInteger, requiredText } from './columns.ts';

/** Adds the log of prompts and responses, and the keys that it is sealed with. */
export async function addRequestLog(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('request_log')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('request_id', 'text', requiredText)
    .addColumn('at', 'bigint', requiredInteger)
    .addColumn('key_id', 'text', requiredText)
    .addColumn('member', 'text')
    .addColumn('model', 'text', requiredText)
    .addColumn('status', 'integer', requiredInteger)
    .addColumn('error', 'text')
    .addColumn('cost_pico', 'bigint')
    .addColumn('duration_ms', 'bigint', requiredInteger)
    .addColumn('bytes', 'integer', requiredInteger)
    .addColumn('key_version', 'integer', requiredInteger)
    // The last one: a search reads the others without it.
    .addColumn('sealed', 'text', requiredText)
    .execute();
  for (const [name, columns] of Object.entries({
    at: ['at', 'id'],
    request_id: ['request_id'],
    member: ['member', 'at'],
  })) {
    await db.schema.createIndex(`request_log_${name}`).on('request_log').columns(columns).execute();
  }
  await db.schema
    .createTable('request_log_keys')
    .addColumn('version', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('sealed', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .execute();
}

/** Numbers rows in the order in which they were stored; those from before have 0 and no entry in the index. */
export async function addRequestLogSequence(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('request_log')
    .addColumn('sequence', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  // It covers what is counted, so that counting reads no sealed content.
  await sql`CREATE INDEX request_log_sequence ON request_log (sequence, at, bytes) WHERE sequence > 0`.execute(
    db,
  );
  await db.schema
    .createTable('request_log_head')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('sequence', 'bigint', requiredInteger)
    .execute();
}
