import type { Kysely } from 'kysely';
import { asPrimaryKey, primaryText, requiredInteger, requiredText } from './columns.ts';

/** Alerts, their rules, silences and receivers, and what is sent. */
export async function addAlerts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('alerts')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('rule', 'text', requiredText)
    .addColumn('kind', 'text', requiredText)
    .addColumn('subject', 'text', requiredText)
    .addColumn('open_key', 'text', (column) => column.unique())
    .addColumn('labels', 'text', requiredText)
    .addColumn('severity', 'text', requiredText)
    .addColumn('state', 'text', requiredText)
    .addColumn('summary', 'text', requiredText)
    .addColumn('value', 'double precision', requiredInteger)
    .addColumn('threshold', 'double precision')
    .addColumn('unit', 'text', requiredText)
    .addColumn('since', 'bigint', requiredInteger)
    .addColumn('fired_at', 'bigint')
    .addColumn('clear_since', 'bigint')
    .addColumn('resolved_at', 'bigint')
    .addColumn('flaps', 'integer', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createIndex('alerts_list')
    .on('alerts')
    .columns(['tenant', 'state', 'since', 'id'])
    .execute();
  await db.schema.createIndex('alerts_state').on('alerts').columns(['state', 'resolved_at']).execute();
  await db.schema
    .createIndex('alerts_subject')
    .on('alerts')
    .columns(['tenant', 'rule', 'subject', 'resolved_at'])
    .execute();
  await db.schema
    .createTable('alert_rules')
    .addColumn('tenant', 'text', requiredText)
    .addColumn('id', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .addColumn('updated_by', 'text', requiredText)
    .addPrimaryKeyConstraint('alert_rules_key', ['tenant', 'id'])
    .$call(asPrimaryKey(db))
    .execute();
  await db.schema
    .createTable('alert_silences')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('matchers', 'text', requiredText)
    .addColumn('starts_at', 'bigint', requiredInteger)
    .addColumn('ends_at', 'bigint', requiredInteger)
    .addColumn('comment', 'text', requiredText)
    .addColumn('created_by', 'text', requiredText)
    .addColumn('created_by_name', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createIndex('alert_silences_list')
    .on('alert_silences')
    .columns(['tenant', 'ends_at', 'id'])
    .execute();
  await db.schema
    .createTable('alert_receivers')
    .addColumn('id', 'text', primaryText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('name', 'text', requiredText)
    .addColumn('type', 'text', requiredText)
    .addColumn('document', 'text', requiredText)
    .addColumn('sealed', 'text', requiredText)
    .addColumn('enabled', 'integer', requiredInteger)
    .addColumn('failing_since', 'bigint')
    .addColumn('last_error', 'text')
    .addColumn('version', 'integer', requiredInteger)
    .addColumn('created_by', 'text', requiredText)
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('updated_at', 'bigint', requiredInteger)
    .execute();
  await db.schema
    .createIndex('alert_receivers_tenant')
    .on('alert_receivers')
    .columns(['tenant', 'id'])
    .execute();
  await db.schema
    .createTable('alert_groups')
    .addColumn('receiver', 'text', requiredText)
    .addColumn('group_key', 'text', requiredText)
    .addColumn('episode', 'text', requiredText)
    .addColumn('reported', 'text', requiredText)
    .addColumn('sent_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('alert_groups_key', ['receiver', 'group_key'])
    .execute();
  await db.schema
    .createTable('alert_messages')
    .addColumn('id', 'text', primaryText)
    .addColumn('receiver', 'text', requiredText)
    .addColumn('tenant', 'text', requiredText)
    .addColumn('group_key', 'text', requiredText)
    .addColumn('status', 'text', requiredText)
    .addColumn('content', 'text', requiredText)
    .addColumn('state', 'text', requiredText)
    .addColumn('attempts', 'integer', requiredInteger)
    .addColumn('next_at', 'bigint', requiredInteger)
    .addColumn('error', 'text')
    .addColumn('created_at', 'bigint', requiredInteger)
    .addColumn('finished_at', 'bigint')
    .execute();
  await db.schema
    .createIndex('alert_messages_due')
    .on('alert_messages')
    .columns(['state', 'next_at'])
    .execute();
  await db.schema
    .createIndex('alert_messages_list')
    .on('alert_messages')
    .columns(['receiver', 'created_at', 'id'])
    .execute();
  await db.schema
    .createTable('alert_observations')
    .addColumn('instance', 'text', requiredText)
    .addColumn('kind', 'text', requiredText)
    .addColumn('subject', 'text', requiredText)
    .addColumn('value', 'double precision', requiredInteger)
    .addColumn('detail', 'text', requiredText)
    .addColumn('seen_at', 'bigint', requiredInteger)
    .addPrimaryKeyConstraint('alert_observations_key', ['instance', 'kind', 'subject'])
    .$call(asPrimaryKey(db))
    .execute();
  await db.schema
    .createTable('alert_lease')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('owner', 'text', requiredText)
    .addColumn('lease_until', 'bigint', requiredInteger)
    .addColumn('fence', 'bigint', requiredInteger)
    .execute();
  // Failed requests of a tenant in the last minutes are counted from their events.
  await db.schema
    .createIndex('event_log_type')
    .on('event_log')
    .columns(['type', 'tenant', 'created_at'])
    .execute();
}
