import type { ColumnDefinitionBuilder, Kysely } from 'kysely';

export const primaryText = (column: ColumnDefinitionBuilder) => column.primaryKey().notNull();
export const requiredText = (column: ColumnDefinitionBuilder) => column.notNull();
export const requiredInteger = (column: ColumnDefinitionBuilder) => column.notNull();

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
