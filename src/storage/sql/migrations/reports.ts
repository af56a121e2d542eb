import type { Kysely } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** Adds schedules of reports, and the reports that were made. */
export async function addReports(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('report_schedules')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('enabled', 'integer', requiredInteger)
    .addColumn('next_end', 'bigint', requiredInteger)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createIndex('report_schedules_tenant')
    .on('report_schedules')
    .columns(['tenant', 'id'])
    .execute();
  await db.schema
    .createIndex('report_schedules_due')
    .on('report_schedules')
    .columns(['enabled', 'next_end'])
    .execute();
  await db.schema
    .createTable('reports')
    .addColumn('id', 'text', primaryText)
    .addColumn('schedule', 'text', requiredText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('name', 'text', requiredText)
    .addColumn('period', 'text', requiredText)
    .addColumn('from_at', 'bigint', requiredInteger)
    .addColumn('to_at', 'bigint', requiredInteger)
    .addColumn('document', 'text', requiredText)
    .addColumn('mailed', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addUniqueConstraint('reports_once', ['schedule', 'from_at'])
    .execute();
  await db.schema.createIndex('reports_time').on('reports').columns(['tenant', 'created_at', 'id']).execute();
}
