import type { CreateTableBuilder, Kysely } from 'kysely';
import { asPrimaryKey, requiredInteger, requiredText } from './columns.ts';

/** Of the first version of the table; later migrations add others. */
const FIRST_METRICS = [
  ...['requests', 'errors', 'rejected', 'attempts', 'failures', 'input_tokens', 'output_tokens'],
  ...['cached_tokens', 'reasoning_tokens', 'cost_pico', 'cache_hits', 'saved_pico'],
];

const withMetrics = <Columns extends string>(table: CreateTableBuilder<string, Columns>) =>
  FIRST_METRICS.reduce<CreateTableBuilder<string, Columns>>(
    (built, name) => built.addColumn(name, 'bigint', requiredInteger),
    table,
  );

/** Adds errors to the sums of usage, sums of all keys together, and times. */
export async function addMetrics(db: Kysely<unknown>): Promise<void> {
  for (const table of ['usage_rollups', 'usage_tag_rollups']) {
    for (const name of ['errors', 'rejected']) {
      await db.schema
        .alterTable(table)
        .addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0))
        .execute();
    }
  }
  await withMetrics(
    db.schema
      .createTable('usage_metrics')
      .addColumn('period', 'text', requiredText)
      .addColumn('start', 'bigint', requiredInteger)
      .addColumn('model', 'text', requiredText)
      .addColumn('provider', 'text', requiredText),
  )
    .addColumn('latency', 'text', requiredText)
    .addColumn('first_event', 'text', requiredText)
    .addPrimaryKeyConstraint('usage_metrics_key', ['period', 'start', 'model', 'provider'])
    .$call(asPrimaryKey(db))
    .execute();
  await db.schema
    .createTable('usage_key_times')
    .addColumn('start', 'bigint', requiredInteger)
    .addColumn('key_id', 'text', requiredText)
    .addColumn('member', 'text', requiredText)
    .addColumn('latency', 'text', requiredText)
    .addColumn('first_event', 'text', requiredText)
    .addPrimaryKeyConstraint('usage_key_times_key', ['start', 'key_id', 'member'])
    .$call(asPrimaryKey(db))
    .execute();
}
