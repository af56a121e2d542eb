import type { Kysely } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** Requests with `Prefer: respond-async`. */
export async function addAsyncRequests(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('async_requests')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('key_id', 'text', requiredText)
    .addColumn('member', 'text')
    .addColumn('caller', 'text', requiredText)
    .addColumn('endpoint', 'text', requiredText)
    .addColumn('model', 'text', requiredText)
    .addColumn('status', 'text', requiredText)
    .addColumn('idempotency', 'text', (column) => column.unique())
    .addColumn('fingerprint', 'text', requiredText)
    .addColumn('runs', 'integer', requiredInteger)
    .addColumn('http_status', 'integer')
    .addColumn('error_code', 'text')
    .addColumn('cost_pico', 'text')
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('deadline_at', 'bigint', requiredInteger)
    .addColumn('delete_at', 'bigint')
    .execute();
  const index = (name: string, columns: readonly string[]) =>
    db.schema
      .createIndex(name)
      .on('async_requests')
      .columns([...columns])
      .execute();
  await index('async_requests_tenant', ['tenant', 'status']);
  await index('async_requests_deadline', ['status', 'deadline_at']);
  await index('async_requests_delete', ['delete_at']);
}

/** Their content, in the database of their tenant. */
export async function addAsyncContents(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('async_contents')
    .addColumn('id', 'text', primaryText)
    .addColumn('request', 'text', requiredText)
    .addColumn('request_headers', 'text', requiredText)
    .addColumn('response', 'text')
    .addColumn('response_headers', 'text', requiredText)
    .addColumn('http_status', 'integer')
    .addColumn('error_code', 'text')
    .addColumn('cost_pico', 'text')
    .addColumn('created_at', 'bigint', requiredInteger)
    .execute();
  await db.schema.createIndex('async_contents_age').on('async_contents').column('created_at').execute();
}
