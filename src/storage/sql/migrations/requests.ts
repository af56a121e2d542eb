import type { Kysely } from 'kysely';
import { asPrimaryKey, requiredInteger, requiredText } from './columns.ts';

/** Adds what requests are searched by, beside the batches of events, which are long. */
export async function addBatchIndex(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('usage_batch_index')
    .addColumn('batch', 'text', requiredText)
    .addColumn('filter', 'text', requiredText)
    .addColumn('max_cost_pico', 'bigint', requiredInteger)
    .addColumn('max_duration_ms', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('usage_batch_index_key', ['batch'])
    .$call(asPrimaryKey(db))
    .execute();
  // Answers a search by time without the batches themselves.
  await db.schema
    .createIndex('usage_batches_newest')
    .on('usage_batches')
    .columns(['last_at', 'id', 'first_at'])
    .execute();
}
