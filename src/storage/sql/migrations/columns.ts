import {
  type ColumnDefinitionBuilder,
  type CreateTableBuilder,
  type Kysely,
  SqliteAdapter,
  sql,
} from 'kysely';
import { chainEntries } from '../audit-chain.ts';

export const primaryText = (column: ColumnDefinitionBuilder) => column.primaryKey().notNull();
export const requiredText = (column: ColumnDefinitionBuilder) => column.notNull();
export const requiredInteger = (column: ColumnDefinitionBuilder) => column.notNull();

/** Stores a table as its primary key: otherwise SQLite keeps a second B-tree. PostgreSQL has no such choice. */
export const asPrimaryKey =
  (db: Kysely<unknown>) =>
  <Columns extends string>(table: CreateTableBuilder<string, Columns>) =>
    db.getExecutor().adapter instanceof SqliteAdapter ? table.modifyEnd(sql`WITHOUT ROWID`) : table;

/** Creates the audit trail, which the control database and tenants' databases have. */
export async function createAuditLog(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_log')
    .addColumn('id', 'text', primaryText)
    .addColumn('at', 'bigint', requiredInteger)
    .addColumn('actor', 'text', requiredText)
    .addColumn('actor_name', 'text', requiredText)
    .addColumn('action', 'text', requiredText)
    .addColumn('subject', 'text', requiredText)
    .addColumn('details', 'text', requiredText)
    .addColumn('address', 'text', requiredText)
    .addColumn('request_id', 'text', requiredText)
    .execute();
  await db.schema.createIndex('audit_log_at').on('audit_log').columns(['at', 'id']).execute();
}

/** Chains the entries of the audit trail by hashes. */
export async function chainAuditLog(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('audit_log').addColumn('sequence', 'bigint').execute();
  await db.schema.alterTable('audit_log').addColumn('hash', 'text').execute();
  await db.schema.createIndex('audit_log_sequence').unique().on('audit_log').column('sequence').execute();
  await db.schema
    .createTable('audit_head')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('sequence', 'bigint', requiredInteger)
    .addColumn('hash', 'text', requiredText)
    .execute();
  await db.schema
    .createTable('audit_seals')
    .addColumn('first_sequence', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('last_sequence', 'bigint', requiredInteger)
    .addColumn('last_hash', 'text', requiredText)
    .addColumn('older_than', 'bigint', requiredInteger)
    .execute();
  while ((await chainEntries(db)) > 0);
}
