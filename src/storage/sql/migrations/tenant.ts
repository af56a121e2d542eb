import { type CreateTableBuilder, type Kysely, SqliteAdapter, sql } from 'kysely';
import type { Migrations } from '../database-schema.ts';
import { addAsyncContents } from './async.ts';
import { addBatchChunks, addBatchResults } from './batches.ts';
import { chainAuditLog, createAuditLog, primaryText, requiredInteger, requiredText } from './columns.ts';
import { addUsageSequence } from './exports.ts';
import { addMetrics } from './metrics.ts';
import { addPrompts } from './prompts.ts';
import { addRequestLog, addRequestLogSequence } from './request-log.ts';
import { addBatchIndex } from './requests.ts';
import { addUsageScale } from './usage-scale.ts';

/** Of the first version of these tables; later migrations add others. */
const FIRST_SUMS = [
  ...['requests', 'attempts', 'failures', 'input_tokens', 'output_tokens', 'cached_tokens'],
  ...['cache_write_tokens', 'reasoning_tokens', 'cost_pico', 'unpriced', 'estimated'],
];

const withSums = <Columns extends string>(table: CreateTableBuilder<string, Columns>) =>
  FIRST_SUMS.reduce<CreateTableBuilder<string, Columns>>(
    (built, name) => built.addColumn(name, 'bigint', requiredInteger),
    table,
  );

const isSqlite = (db: Kysely<unknown>) => db.getExecutor().adapter instanceof SqliteAdapter;

/** Migrations of each tenant's database. */
export const TENANT_MIGRATIONS: Migrations = {
  '0001_people_and_keys': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('members')
        .addColumn('id', 'text', primaryText)
        .addColumn('kind', 'text', requiredText)
        .addColumn('email', 'text')
        .addColumn('name', 'text', requiredText)
        .addColumn('role', 'text', requiredText)
        .addColumn('status', 'text', requiredText)
        .addColumn('limits', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createTable('invitations')
        .addColumn('id', 'text', primaryText)
        .addColumn('email', 'text', requiredText)
        .addColumn('role', 'text', requiredText)
        .addColumn('digest', 'text', (column) => column.notNull().unique())
        .addColumn('invited_by', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .addColumn('accepted_at', 'bigint')
        .addColumn('revoked_at', 'bigint')
        .execute();
      await db.schema
        .createTable('api_keys')
        .addColumn('id', 'text', primaryText)
        .addColumn('kind', 'text', requiredText)
        .addColumn('name', 'text', requiredText)
        .addColumn('hint', 'text', requiredText)
        .addColumn('digest', 'text', (column) => column.notNull().unique())
        .addColumn('member', 'text')
        .addColumn('scopes', 'text', requiredText)
        .addColumn('limits', 'text', requiredText)
        .addColumn('expires_at', 'bigint')
        .addColumn('revoked_at', 'bigint')
        .addColumn('previous_digest', 'text')
        .addColumn('previous_hint', 'text')
        .addColumn('previous_expires_at', 'bigint')
        .addColumn('last_used_at', 'bigint')
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('created_by', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createTable('outbox')
        .addColumn('id', 'text', primaryText)
        .addColumn('topic', 'text', requiredText)
        .addColumn('subject', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createTable('write_lock')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('writes', 'bigint', requiredInteger)
        .execute();
      await createAuditLog(db);
    },
  },
  '0002_usage': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('usage_events')
        .addColumn('id', 'text', requiredText)
        .addColumn('request_id', 'text', requiredText)
        .addColumn('at', 'bigint', requiredInteger)
        .addColumn('key_id', 'text', requiredText)
        .addColumn('member', 'text')
        .addColumn('model', 'text', requiredText)
        .addColumn('provider', 'text', requiredText)
        .addColumn('upstream_model', 'text', requiredText)
        .addColumn('operation', 'text', requiredText)
        .addColumn('tags', 'text', requiredText)
        .addColumn('status', 'integer', requiredInteger)
        .addColumn('outcome', 'text', requiredText)
        .addColumn('requests', 'integer', requiredInteger)
        .addColumn('input_tokens', 'bigint', requiredInteger)
        .addColumn('output_tokens', 'bigint', requiredInteger)
        .addColumn('cached_tokens', 'bigint', requiredInteger)
        .addColumn('cache_write_tokens', 'bigint', requiredInteger)
        .addColumn('reasoning_tokens', 'bigint', requiredInteger)
        .addColumn('cost_pico', 'bigint')
        .addColumn('estimated', 'integer', requiredInteger)
        .addColumn('duration_ms', 'bigint', requiredInteger)
        .addColumn('first_event_ms', 'bigint')
        // One index finds an event and reads a time range, and grows at its end only.
        .addPrimaryKeyConstraint('usage_events_key', ['at', 'id'])
        // Otherwise SQLite would keep a second B-tree.
        .$call((table) => (isSqlite(db) ? table.modifyEnd(sql`WITHOUT ROWID`) : table))
        .execute();
      await withSums(
        db.schema
          .createTable('usage_rollups')
          .addColumn('period', 'text', requiredText)
          .addColumn('start', 'bigint', requiredInteger)
          .addColumn('key_id', 'text', requiredText)
          .addColumn('member', 'text', requiredText)
          .addColumn('model', 'text', requiredText)
          .addColumn('provider', 'text', requiredText),
      )
        .addPrimaryKeyConstraint('usage_rollups_key', [
          'period',
          'start',
          'key_id',
          'member',
          'model',
          'provider',
        ])
        .execute();
      await withSums(
        db.schema
          .createTable('usage_tag_rollups')
          .addColumn('period', 'text', requiredText)
          .addColumn('start', 'bigint', requiredInteger)
          .addColumn('tag', 'text', requiredText)
          .addColumn('model', 'text', requiredText),
      )
        .addPrimaryKeyConstraint('usage_tag_rollups_key', ['period', 'start', 'tag', 'model'])
        .execute();
    },
  },
  '0003_usage_batches': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('usage_batches')
        .addColumn('id', 'text', primaryText)
        .addColumn('first_at', 'bigint', requiredInteger)
        .addColumn('last_at', 'bigint', requiredInteger)
        .addColumn('count', 'integer', requiredInteger)
        .addColumn('events', 'text', requiredText)
        .execute();
      await db.schema
        .createIndex('usage_batches_by_time')
        .on('usage_batches')
        .columns(['first_at', 'last_at'])
        .execute();
      // Rows of single events, which no release wrote or read. Their sums stay.
      await db.schema.dropTable('usage_events').execute();
    },
  },
  '0004_events': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('events')
        .addColumn('sequence', 'bigint', requiredInteger)
        .addColumn('position', 'integer', requiredInteger)
        .addColumn('id', 'text', requiredText)
        .addColumn('name', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('actor', 'text', requiredText)
        .addColumn('request_id', 'text', requiredText)
        .addColumn('data', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addPrimaryKeyConstraint('events_key', ['sequence', 'position'])
        .execute();
    },
  },
  '0005_paused_keys': {
    up: async (db: Kysely<unknown>) => {
      await db.schema.alterTable('api_keys').addColumn('paused_at', 'bigint').execute();
      await db.schema.alterTable('api_keys').addColumn('paused_by', 'text').execute();
    },
  },
  '0006_responses': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('responses')
        .addColumn('id', 'text', primaryText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .addColumn('input', 'text', requiredText)
        .addColumn('response', 'text', requiredText)
        .addColumn('native', 'integer', requiredInteger)
        .execute();
      for (const column of ['created_at', 'expires_at']) {
        await db.schema.createIndex(`responses_${column}`).on('responses').column(column).execute();
      }
      // Finds batches that are old.
      await db.schema.createIndex('usage_batches_last_at').on('usage_batches').column('last_at').execute();
    },
  },
  '0007_response_items': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('response_items')
        .addColumn('id', 'text', primaryText)
        .addColumn('response', 'text', requiredText)
        // Otherwise SQLite would keep a second B-tree.
        .$call((table) => (isSqlite(db) ? table.modifyEnd(sql`WITHOUT ROWID`) : table))
        .execute();
      await db.schema
        .createIndex('response_items_response')
        .on('response_items')
        .column('response')
        .execute();
    },
  },
  '0007_usage_durations': {
    up: async (db: Kysely<unknown>) => {
      for (const table of ['usage_rollups', 'usage_tag_rollups']) {
        await db.schema
          .alterTable(table)
          .addColumn('duration_ms', 'bigint', (column) => column.notNull().defaultTo(0))
          .execute();
      }
    },
  },
  '0008_audit_chain': { up: chainAuditLog },
  '0009_usage_cache': {
    up: async (db: Kysely<unknown>) => {
      for (const table of ['usage_rollups', 'usage_tag_rollups']) {
        for (const name of ['cache_hits', 'saved_pico', 'saved_ms']) {
          await db.schema
            .alterTable(table)
            .addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0))
            .execute();
        }
      }
    },
  },
  '0010_usage_prompt_cache': {
    up: async (db: Kysely<unknown>) => {
      for (const table of ['usage_rollups', 'usage_tag_rollups']) {
        await db.schema
          .alterTable(table)
          .addColumn('prompt_saved_pico', 'bigint', (column) => column.notNull().defaultTo(0))
          .execute();
      }
    },
  },
  '0011_metrics': { up: addMetrics },
  '0012_batch_index': { up: addBatchIndex },
  '0013_request_log': { up: addRequestLog },
  '0014_prompts': { up: addPrompts },
  '0016_output_cost': {
    up: async (db: Kysely<unknown>) => {
      for (const table of ['usage_rollups', 'usage_tag_rollups']) {
        await db.schema
          .alterTable(table)
          .addColumn('output_cost_pico', 'bigint', (column) => column.notNull().defaultTo(0))
          .execute();
      }
    },
  },
  '0017_batch_results': { up: addBatchResults },
  '0018_batch_chunks': { up: addBatchChunks },
  '0020_usage_scale': { up: addUsageScale },
  '0022_async_contents': { up: addAsyncContents },
  '0023_usage_sequence': { up: addUsageSequence },
  '0024_request_log_sequence': { up: addRequestLogSequence },
};
