import type { Kysely } from 'kysely';
import { asPrimaryKey, primaryText, requiredInteger, requiredText } from './columns.ts';

/** Files and batches. */
export async function addBatches(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('files')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('key_id', 'text', requiredText)
    .addColumn('member', 'text')
    .addColumn('purpose', 'text', requiredText)
    .addColumn('filename', 'text', requiredText)
    .addColumn('bytes', 'bigint', requiredInteger)
    .addColumn('digest', 'text', requiredText)
    .addColumn('own', 'integer', requiredInteger)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('expires_at', 'bigint')
    .execute();
  await db.schema.createIndex('files_tenant').on('files').columns(['tenant', 'created_at', 'id']).execute();
  await db.schema.createIndex('files_expiry').on('files').column('expires_at').execute();
  await db.schema
    .createTable('batches')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('key_id', 'text', requiredText)
    .addColumn('caller', 'text', requiredText)
    .addColumn('member', 'text')
    .addColumn('form', 'text', requiredText)
    .addColumn('endpoint', 'text', requiredText)
    .addColumn('status', 'text', requiredText)
    .addColumn('provider', 'text', requiredText)
    .addColumn('provider_batch', 'text', requiredText)
    .addColumn('input_file', 'text', requiredText)
    .addColumn('output_file', 'text')
    .addColumn('error_file', 'text')
    .addColumn('metadata', 'text', requiredText)
    .addColumn('errors', 'text', requiredText)
    .addColumn('models', 'text', requiredText)
    .addColumn('total', 'integer', requiredInteger)
    .addColumn('completed', 'integer', requiredInteger)
    .addColumn('failed', 'integer', requiredInteger)
    .addColumn('unfinished', 'integer', requiredInteger)
    .addColumn('input_tokens', 'bigint', requiredInteger)
    .addColumn('output_tokens', 'bigint', requiredInteger)
    .addColumn('cost_pico', 'text', requiredText)
    .addColumn('unpriced', 'integer', requiredInteger)
    .addColumn('output_expires_ms', 'bigint')
    .addColumn('completion_window', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('expires_at', 'bigint', requiredInteger)
    .addColumn('started_at', 'bigint')
    .addColumn('finalizing_at', 'bigint')
    .addColumn('cancelling_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('version', 'integer', requiredInteger)
    .execute();
  await db.schema
    .createIndex('batches_tenant')
    .on('batches')
    .columns(['tenant', 'created_at', 'id'])
    .execute();
  await db.schema.createIndex('batches_status').on('batches').columns(['status', 'expires_at']).execute();
}

/** Results of lines, in the database of their tenant. */
export async function addBatchResults(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('batch_results')
    .addColumn('batch', 'text', requiredText)
    .addColumn('line', 'integer', requiredInteger)
    .addColumn('custom_id', 'text', requiredText)
    .addColumn('request_id', 'text', requiredText)
    .addColumn('status', 'integer', requiredInteger)
    .addColumn('error', 'text', requiredText)
    .addColumn('body', 'text', requiredText)
    .addColumn('input_tokens', 'bigint', requiredInteger)
    .addColumn('output_tokens', 'bigint', requiredInteger)
    .addColumn('cost_pico', 'bigint')
    .addColumn('created_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('batch_results_key', ['batch', 'line'])
    .$call(asPrimaryKey(db))
    .execute();
}

/** Sums of results. */
export async function addBatchChunks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('batch_chunks')
    .addColumn('batch', 'text', requiredText)
    .addColumn('chunk', 'integer', requiredInteger)
    .addColumn('completed', 'integer', requiredInteger)
    .addColumn('failed', 'integer', requiredInteger)
    .addColumn('input_tokens', 'bigint', requiredInteger)
    .addColumn('output_tokens', 'bigint', requiredInteger)
    .addColumn('cost_pico', 'bigint', requiredInteger)
    .addColumn('unpriced', 'integer', requiredInteger)
    .addPrimaryKeyConstraint('batch_chunks_key', ['batch', 'chunk'])
    .$call(asPrimaryKey(db))
    .execute();
}

/** Parts of batches that providers run. */
export async function addBatchForwards(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('batch_forwards')
    .addColumn('batch', 'text', requiredText)
    .addColumn('part', 'integer', requiredInteger)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('provider', 'text', requiredText)
    .addColumn('account', 'integer', requiredInteger)
    .addColumn('model', 'text', requiredText)
    .addColumn('endpoint', 'text', requiredText)
    .addColumn('object', 'text', requiredText)
    .addColumn('lines', 'integer', requiredInteger)
    .addColumn('first_chunk', 'integer', requiredInteger)
    .addColumn('last_chunk', 'integer', requiredInteger)
    .addColumn('tokens', 'bigint', requiredInteger)
    .addColumn('nano_usd', 'bigint', requiredInteger)
    .addColumn('state', 'text', requiredText)
    .addColumn('token', 'text', requiredText)
    .addColumn('remote', 'text', requiredText)
    .addColumn('submitted_at', 'bigint', requiredInteger)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('batch_forwards_key', ['batch', 'part'])
    .$call(asPrimaryKey(db))
    .execute();
}

/** Which process has reserved what a part uses. */
export async function addForwardHolders(db: Kysely<unknown>): Promise<void> {
  // Processes of the version before add rows without them.
  await db.schema
    .alterTable('batch_forwards')
    .addColumn('holder', 'text', (column) => column.notNull().defaultTo(''))
    .execute();
  await db.schema
    .alterTable('batch_forwards')
    .addColumn('held_until', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
}
