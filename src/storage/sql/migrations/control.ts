import type { Kysely } from 'kysely';
import type { Migrations } from '../database-schema.ts';
import { addAlerts } from './alerts.ts';
import { addAsyncRequests } from './async.ts';
import { addBatches, addBatchForwards, addForwardHolders } from './batches.ts';
import { addBilling } from './billing.ts';
import { chainAuditLog, createAuditLog, primaryText, requiredInteger, requiredText } from './columns.ts';
import { addEventLog } from './events.ts';
import { addExportControl, addExports } from './exports.ts';
import { addJobs } from './jobs.ts';
import { addReports } from './reports.ts';
import { addTenantUsage } from './usage-scale.ts';
import { addWebhooks } from './webhooks.ts';

/** Migrations of the control database. */
export const CONTROL_MIGRATIONS: Migrations = {
  '0001_api_keys': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('api_keys')
        .addColumn('id', 'text', primaryText)
        .addColumn('kind', 'text', requiredText)
        .addColumn('tenant', 'text', requiredText)
        .addColumn('name', 'text', requiredText)
        .addColumn('hint', 'text', requiredText)
        .addColumn('digest', 'text', (column) => column.notNull().unique())
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('revoked_at', 'bigint')
        .execute();
    },
  },
  '0002_responses': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('responses')
        .addColumn('tenant', 'text', requiredText)
        .addColumn('id', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .addColumn('input', 'text', requiredText)
        .addColumn('response', 'text', requiredText)
        .addColumn('native', 'integer', requiredInteger)
        .addPrimaryKeyConstraint('responses_key', ['tenant', 'id'])
        .execute();
      await db.schema.createIndex('responses_expiry').on('responses').column('expires_at').execute();
    },
  },
  '0003_tenants': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('revision')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('value', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createTable('settings')
        .addColumn('name', 'text', primaryText)
        .addColumn('value', 'text', requiredText)
        .execute();
      await db.schema
        .createTable('tenants')
        .addColumn('id', 'text', primaryText)
        .addColumn('name', 'text', requiredText)
        .addColumn('status', 'text', requiredText)
        .addColumn('tier', 'text')
        .addColumn('server', 'text', requiredText)
        .addColumn('database', 'text', (column) => column.notNull().unique())
        .addColumn('document', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('revision', 'bigint', requiredInteger)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .addColumn('deleted_at', 'bigint')
        .execute();
      await db.schema.createIndex('tenants_revision').on('tenants').column('revision').execute();
      await db.schema
        .createTable('key_index')
        .addColumn('digest', 'text', primaryText)
        .addColumn('id', 'text', requiredText)
        .addColumn('tenant', 'text', requiredText)
        .addColumn('document', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('revision', 'bigint', requiredInteger)
        .addColumn('deleted', 'integer', requiredInteger)
        .execute();
      await db.schema.createIndex('key_index_revision').on('key_index').column('revision').execute();
      await db.schema.createIndex('key_index_id').on('key_index').columns(['tenant', 'id']).execute();
      await db.schema
        .createTable('member_index')
        .addColumn('tenant', 'text', requiredText)
        .addColumn('member', 'text', requiredText)
        .addColumn('document', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('revision', 'bigint', requiredInteger)
        .addColumn('deleted', 'integer', requiredInteger)
        .addPrimaryKeyConstraint('member_index_key', ['tenant', 'member'])
        .execute();
      await db.schema.createIndex('member_index_revision').on('member_index').column('revision').execute();
      await db.schema.createIndex('member_index_member').on('member_index').column('member').execute();
    },
  },
  '0004_sign_in': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('users')
        .addColumn('id', 'text', primaryText)
        .addColumn('email', 'text', (column) => column.notNull().unique())
        .addColumn('name', 'text', requiredText)
        .addColumn('password', 'text')
        .addColumn('platform_admin', 'integer', requiredInteger)
        .addColumn('status', 'text', requiredText)
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createTable('federated_identities')
        .addColumn('issuer', 'text', requiredText)
        .addColumn('subject', 'text', requiredText)
        .addColumn('user_id', 'text', requiredText)
        .addColumn('email', 'text')
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('last_used_at', 'bigint', requiredInteger)
        .addPrimaryKeyConstraint('federated_identities_key', ['issuer', 'subject'])
        .execute();
      await db.schema
        .createIndex('federated_identities_user')
        .on('federated_identities')
        .column('user_id')
        .execute();
      await db.schema
        .createTable('sessions')
        .addColumn('id', 'text', primaryText)
        .addColumn('digest', 'text', (column) => column.notNull().unique())
        .addColumn('user_id', 'text', requiredText)
        .addColumn('created_at', 'bigint', requiredInteger)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .addColumn('last_seen_at', 'bigint', requiredInteger)
        .addColumn('revoked_at', 'bigint')
        .addColumn('address', 'text', requiredText)
        .addColumn('agent', 'text', requiredText)
        .execute();
      await db.schema.createIndex('sessions_user').on('sessions').column('user_id').execute();
      await db.schema.createIndex('sessions_expiry').on('sessions').column('expires_at').execute();
      await db.schema
        .createTable('idempotent_answers')
        .addColumn('scope', 'text', requiredText)
        .addColumn('key', 'text', requiredText)
        .addColumn('request', 'text', requiredText)
        .addColumn('state', 'integer', requiredInteger)
        .addColumn('answer', 'text', requiredText)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .addPrimaryKeyConstraint('idempotent_answers_key', ['scope', 'key'])
        .execute();
      await db.schema
        .createTable('period_counters')
        .addColumn('counter', 'text', requiredText)
        .addColumn('period', 'text', requiredText)
        .addColumn('used', 'bigint', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .addPrimaryKeyConstraint('period_counters_key', ['counter', 'period'])
        .execute();
      await createAuditLog(db);
    },
  },
  '0005_sign_in_attempts': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('sign_in_attempts')
        .addColumn('subject', 'text', primaryText)
        .addColumn('count', 'integer', requiredInteger)
        .addColumn('expires_at', 'bigint', requiredInteger)
        .execute();
      await db.schema
        .createIndex('sign_in_attempts_expiry')
        .on('sign_in_attempts')
        .column('expires_at')
        .execute();
      await db.schema
        .createIndex('idempotent_answers_expiry')
        .on('idempotent_answers')
        .column('expires_at')
        .execute();
    },
  },
  '0006_tenant_schema': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .alterTable('tenants')
        .addColumn('schema', 'text', (column) => column.notNull().defaultTo(''))
        .execute();
    },
  },
  '0007_audit_chain': { up: chainAuditLog },
  '0008_config_overlay': {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('config_items')
        .addColumn('section', 'text', requiredText)
        .addColumn('id', 'text', requiredText)
        .addColumn('document', 'text')
        .addColumn('version', 'integer', requiredInteger)
        .addColumn('updated_at', 'bigint', requiredInteger)
        .addColumn('updated_by', 'text', requiredText)
        .addPrimaryKeyConstraint('config_items_key', ['section', 'id'])
        .execute();
      await db.schema
        .createTable('config_changes')
        .addColumn('id', 'text', primaryText)
        .addColumn('revision', 'bigint', (column) => column.notNull().unique())
        .addColumn('at', 'bigint', requiredInteger)
        .addColumn('actor', 'text', requiredText)
        .addColumn('actor_name', 'text', requiredText)
        .addColumn('section', 'text', requiredText)
        .addColumn('item', 'text', requiredText)
        .addColumn('before', 'text')
        .addColumn('after', 'text')
        .execute();
    },
  },
  '0009_event_log': { up: addEventLog },
  '0010_webhooks': { up: addWebhooks },
  '0011_billing': { up: addBilling },
  '0012_jobs': { up: addJobs },
  '0013_batches': { up: addBatches },
  '0020_tenant_usage': { up: addTenantUsage },
  '0021_reports': { up: addReports },
  '0021_alerts': { up: addAlerts },
  '0022_async_requests': { up: addAsyncRequests },
  '0023_exports': { up: addExports },
  '0024_export_control': { up: addExportControl },
  '0025_batch_forwards': { up: addBatchForwards },
  '0026_forward_holders': { up: addForwardHolders },
};
