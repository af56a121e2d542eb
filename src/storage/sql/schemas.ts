import type { ControlTables } from './control-tables.ts';
import type { DatabaseSchema } from './database-schema.ts';
import { CONTROL_MIGRATIONS } from './migrations/control.ts';
import { TENANT_MIGRATIONS } from './migrations/tenant.ts';
import type { TenantTables } from './tenant-tables.ts';

/** A record, so that a table without an entry is a type error: a backup would lack it. */
const CONTROL_TABLES: Record<keyof ControlTables, true> = {
  revision: true,
  settings: true,
  tenants: true,
  key_index: true,
  member_index: true,
  users: true,
  federated_identities: true,
  sessions: true,
  sign_in_attempts: true,
  idempotent_answers: true,
  audit_log: true,
  audit_head: true,
  audit_seals: true,
  period_counters: true,
  responses: true,
  config_items: true,
  config_changes: true,
  event_log: true,
  event_head: true,
  event_keys: true,
  event_cursors: true,
  event_dead_letters: true,
  export_cursors: true,
  webhooks: true,
  webhook_deliveries: true,
  jobs: true,
  files: true,
  batches: true,
  batch_forwards: true,
  async_requests: true,
  alerts: true,
  alert_rules: true,
  alert_silences: true,
  alert_receivers: true,
  alert_groups: true,
  alert_messages: true,
  alert_observations: true,
  alert_lease: true,
  billing_accounts: true,
  billing_costs: true,
  billing_invoices: true,
  billing_price_lists: true,
  billing_series: true,
  billing_usage: true,
  report_schedules: true,
  reports: true,
  tenant_usage: true,
  tenant_usage_days: true,
  api_keys: true,
};

const TENANT_TABLES: Record<keyof TenantTables, true> = {
  members: true,
  invitations: true,
  api_keys: true,
  write_lock: true,
  outbox: true,
  events: true,
  audit_log: true,
  audit_head: true,
  audit_seals: true,
  prompts: true,
  prompt_versions: true,
  request_log: true,
  request_log_head: true,
  request_log_keys: true,
  responses: true,
  response_items: true,
  batch_results: true,
  usage_archives: true,
  batch_chunks: true,
  async_contents: true,
  usage_batch_index: true,
  usage_batches: true,
  usage_client_rollups: true,
  usage_days: true,
  usage_key_times: true,
  usage_metrics: true,
  usage_rollups: true,
  usage_tag_rollups: true,
};

export const CONTROL_SCHEMA: DatabaseSchema = {
  migrations: CONTROL_MIGRATIONS,
  tables: Object.keys(CONTROL_TABLES),
};

/** Names the migrations of tenants' databases. */
export const TENANT_SCHEMA_ID: string = schemaId(Object.keys(TENANT_MIGRATIONS).sort());

function schemaId(names: readonly string[]): string {
  return `${names.length} ${names.at(-1) ?? ''}`;
}

export const TENANT_SCHEMA: DatabaseSchema = {
  migrations: TENANT_MIGRATIONS,
  tables: Object.keys(TENANT_TABLES),
};
