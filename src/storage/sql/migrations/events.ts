import type { Kysely } from 'kysely';
import { asPrimaryKey, primaryText, requiredInteger, requiredText } from './columns.ts';

/** The log of durable events, and how far its consumers have read. */
export async function addEventLog(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('event_log')
    .addColumn('sequence', 'bigint', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('partition', 'integer', requiredInteger)
    .addColumn('type', 'text', requiredText)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('subject', 'text', requiredText)
    .addColumn('actor', 'text', requiredText)
    .addColumn('request_id', 'text', requiredText)
    .addColumn('test', 'integer', requiredInteger)
    .addColumn('data', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createIndex('event_log_partition')
    .on('event_log')
    .columns(['partition', 'sequence'])
    .execute();
  await db.schema.createIndex('event_log_tenant').on('event_log').columns(['tenant', 'sequence']).execute();
  await db.schema
    .createTable('event_head')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('sequence', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createTable('event_keys')
    .addColumn('key', 'text', primaryText)
    .addColumn('expires_at', 'bigint', requiredInteger)
    .$call(asPrimaryKey(db))
    .execute();
  await db.schema.createIndex('event_keys_expiry').on('event_keys').column('expires_at').execute();
  await db.schema
    .createTable('event_cursors')
    .addColumn('consumer', 'text', requiredText)
    .addColumn('partition', 'integer', requiredInteger)
    .addColumn('sequence', 'bigint', requiredInteger)
    .addColumn('owner', 'text', requiredText)
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('fence', 'bigint', requiredInteger)
    .addColumn('seen_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('event_cursors_key', ['consumer', 'partition'])
    .execute();
  await db.schema
    .createTable('event_dead_letters')
    .addColumn('consumer', 'text', requiredText)
    .addColumn('id', 'text', requiredText)
    .addColumn('event', 'text', requiredText)
    .addColumn('error', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('event_dead_letters_key', ['consumer', 'id'])
    .execute();
}
