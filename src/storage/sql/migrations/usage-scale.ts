import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import { asPrimaryKey, primaryText, requiredInteger, requiredText } from './columns.ts';

/** The sums of this migration; later ones add others. */
const SUMS = [
  ...['requests', 'attempts', 'failures', 'input_tokens', 'output_tokens', 'cached_tokens'],
  ...['cache_write_tokens', 'reasoning_tokens', 'cost_pico', 'unpriced', 'estimated', 'duration_ms'],
  ...['cache_hits', 'saved_pico', 'saved_ms', 'prompt_saved_pico', 'output_cost_pico', 'errors', 'rejected'],
];

const withSums = <Columns extends string>(table: CreateTableBuilder<string, Columns>) =>
  SUMS.reduce<CreateTableBuilder<string, Columns>>(
    (built, name) => built.addColumn(name, 'bigint', requiredInteger),
    table,
  );

/** Adds sums by client, which days have changed since they were copied, and archives of usage events. */
export async function addUsageScale(db: Kysely<unknown>): Promise<void> {
  await withSums(
    db.schema
      .createTable('usage_client_rollups')
      .addColumn('period', 'text', requiredText)
      .addColumn('start', 'bigint', requiredInteger)
      .addColumn('client', 'text', requiredText)
      .addColumn('model', 'text', requiredText),
  )
    .addPrimaryKeyConstraint('usage_client_rollups_key', ['period', 'start', 'client', 'model'])
    .execute();
  await db.schema
    .createTable('usage_days')
    .addColumn('start', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('changes', 'bigint', requiredInteger)
    .addColumn('copied', 'bigint', requiredInteger)
    .execute();
  // Days from before are copied, too.
  await sql`
    INSERT INTO usage_days (start, changes, copied)
    SELECT DISTINCT start, 1, 0 FROM usage_rollups WHERE period = 'day'`.execute(db);
  await db.schema
    .alterTable('usage_batches')
    .addColumn('archived', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .alterTable('usage_batches')
    .addColumn('restored', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable('usage_archives')
    .addColumn('id', 'text', primaryText)
    .addColumn('state', 'text', requiredText)
    .addColumn('month', 'text', requiredText)
    .addColumn('first_at', 'bigint', requiredInteger)
    .addColumn('last_at', 'bigint', requiredInteger)
    .addColumn('events', 'integer', requiredInteger)
    .addColumn('batches', 'text', requiredText)
    .addColumn('bytes', 'bigint')
    .addColumn('sha256', 'text')
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('restored_until', 'bigint')
    .addColumn('created_at', 'bigint', requiredInteger)
    .execute();
  // One plan at a time: two gateways never archive the same batch into different files.
  await sql`
    CREATE UNIQUE INDEX usage_archives_writing ON usage_archives (state) WHERE state = 'writing'`.execute(db);
}

/** Adds copies of tenants' daily sums to the control database, so that one query reads those of all tenants. */
export async function addTenantUsage(db: Kysely<unknown>): Promise<void> {
  await withSums(
    db.schema
      .createTable('tenant_usage')
      .addColumn('start', 'bigint', requiredInteger)
      .addColumn('tenant', 'text', requiredText)
      .addColumn('model', 'text', requiredText)
      .addColumn('provider', 'text', requiredText),
  )
    .addPrimaryKeyConstraint('tenant_usage_key', ['start', 'tenant', 'model', 'provider'])
    .$call(asPrimaryKey(db))
    .execute();
  await db.schema
    .createIndex('tenant_usage_tenant')
    .on('tenant_usage')
    .columns(['tenant', 'start'])
    .execute();
  await db.schema
    .createTable('tenant_usage_days')
    .addColumn('tenant', 'text', requiredText)
    .addColumn('start', 'bigint', requiredInteger)
    .addColumn('changes', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('tenant_usage_days_key', ['tenant', 'start'])
    .$call(asPrimaryKey(db))
    .execute();
}
