import type { Kysely } from 'kysely';
import { primaryText, requiredInteger, requiredText } from './columns.ts';

/** Webhook endpoints, and what is sent to them. */
export async function addWebhooks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('webhooks')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('url', 'text', requiredText)
    .addColumn('description', 'text', requiredText)
    .addColumn('events', 'text', requiredText)
    .addColumn('secret', 'text', requiredText)
    .addColumn('previous_secret', 'text')
    .addColumn('previous_expires_at', 'bigint')
    .addColumn('status', 'text', requiredText)
    .addColumn('disabled_reason', 'text')
    .addColumn('failing_since', 'bigint')
    .addColumn('owner', 'text', requiredText)
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema.createIndex('webhooks_tenant').on('webhooks').columns(['tenant', 'id']).execute();
  await db.schema
    .createTable('webhook_deliveries')
    .addColumn('id', 'text', primaryText)
    .addColumn('webhook', 'text', requiredText)
    .addColumn('sequence', 'bigint', requiredInteger)
    .addColumn('event', 'text', requiredText)
    .addColumn('type', 'text', requiredText)
    .addColumn('subject', 'text', requiredText)
    .addColumn('payload', 'text', requiredText)
    .addColumn('state', 'text', requiredText)
    .addColumn('next_at', 'bigint', requiredInteger)
    .addColumn('attempts', 'integer', requiredInteger)
    .addColumn('log', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('finished_at', 'bigint')
    .execute();
  const index = (name: string, columns: readonly string[]) =>
    db.schema
      .createIndex(name)
      .on('webhook_deliveries')
      .columns([...columns])
      .execute();
  await index('webhook_deliveries_due', ['state', 'next_at']);
  await index('webhook_deliveries_order', ['webhook', 'state', 'subject', 'sequence']);
  await index('webhook_deliveries_time', ['webhook', 'created_at', 'id']);
}
