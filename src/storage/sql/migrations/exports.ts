import { type Kysely, sql } from 'kysely';
import { requiredInteger, requiredText } from './columns.ts';

/** Adds the positions of exports in the usage of tenants. */
export async function addExports(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('export_cursors')
    .addColumn('export', 'text', requiredText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('sequence', 'bigint', requiredInteger)
    .addColumn('line', 'integer', requiredInteger)
    .addColumn('sent', 'bigint', requiredInteger)
    .addColumn('dropped', 'bigint', requiredInteger)
    .addColumn('failures', 'integer', requiredInteger)
    .addColumn('next_at', 'bigint', requiredInteger)
    .addColumn('error', 'text', requiredText)
    .addColumn('owner', 'text', requiredText)
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('started_at', 'bigint', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('export_cursors_key', ['export', 'tenant'])
    .execute();
}

/** Adds when exports were paused, and when they last succeeded; 0 for never. */
export async function addExportControl(db: Kysely<unknown>): Promise<void> {
  for (const column of ['paused_at', 'sent_at']) {
    await db.schema
      .alterTable('export_cursors')
      .addColumn(column, 'bigint', (definition) => definition.notNull().defaultTo(0))
      .execute();
  }
}

/** Numbers batches of usage in the order in which they were stored; those from before have 0 and no entry in the index. */
export async function addUsageSequence(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('usage_batches')
    .addColumn('sequence', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`CREATE INDEX usage_batches_sequence ON usage_batches (sequence) WHERE sequence > 0`.execute(db);
}
