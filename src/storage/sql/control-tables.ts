import type { AlertTables } from './alert-tables.ts';
import type { AsyncTables } from './async-tables.ts';
import type { BatchTables } from './batch-tables.ts';
import type { EventTables } from './event-tables.ts';
import type { ExportTables } from './export-tables.ts';
import type { JobTables } from './job-tables.ts';
import type { ReportTables } from './report-tables.ts';
import type { AuditLogRow, AuditSealRow, TenantTables, UsageSums } from './tenant-tables.ts';
import type { WebhookTables } from './webhook-tables.ts';

/**
 * The tables of the control database: data about all tenants that every replica needs, and no data of their requests.
 * Columns are in snake case, as usual in SQL. Times are Unix milliseconds, documents JSON texts.
 */
export interface ControlTables
  extends AlertTables,
    AsyncTables,
    BatchTables,
    EventTables,
    ExportTables,
    ReportTables,
    JobTables,
    WebhookTables {
  /** One row; its value grows with every change that replicas have to read. */
  revision: { id: number; value: number };
  settings: { name: string; value: string };
  tenants: {
    id: string;
    name: string;
    status: string;
    tier: string | null;
    /** Id of the configured server with its database; empty for the default one. */
    server: string;
    database: string;
    /** Which migrations its database has: `TENANT_SCHEMA_ID` of the gateway that migrated it last. */
    schema: string;
    document: string;
    version: number;
    revision: number;
    created_at: number;
    updated_at: number;
    deleted_at: number | null;
  };
  /** Keys by the HMAC of their secret: a copy of the tenant's own rows. */
  key_index: {
    digest: string;
    id: string;
    tenant: string;
    document: string;
    version: number;
    revision: number;
    deleted: number;
  };
  /** Members of tenants: a copy of the tenants' own rows. */
  member_index: {
    tenant: string;
    member: string;
    document: string;
    version: number;
    revision: number;
    deleted: number;
  };
  /** Users who sign in, of all tenants. */
  users: {
    id: string;
    email: string;
    name: string;
    password: string | null;
    platform_admin: number;
    status: string;
    version: number;
    created_at: number;
    updated_at: number;
  };
  federated_identities: {
    issuer: string;
    subject: string;
    user_id: string;
    email: string | null;
    created_at: number;
    last_used_at: number;
  };
  sessions: {
    id: string;
    digest: string;
    user_id: string;
    created_at: number;
    expires_at: number;
    last_seen_at: number;
    revoked_at: number | null;
    address: string;
    agent: string;
  };
  /** Attempts to sign in, counted across gateways. */
  sign_in_attempts: {
    /** What is counted: an account, a client address, or one attempt at an identity provider. */
    subject: string;
    count: number;
    expires_at: number;
  };
  /** Responses to writes with an idempotency key. */
  idempotent_answers: {
    scope: string;
    key: string;
    /** Hash of the request. */
    request: string;
    /** 0 until there is a response. */
    state: number;
    /** Encrypted, because it may contain a secret that is shown once. */
    answer: string;
    expires_at: number;
  };
  /** Audit trail of the platform; each tenant has its own. */
  audit_log: AuditLogRow;
  audit_head: TenantTables['audit_head'];
  audit_seals: AuditSealRow;
  /** Use of quotas and budgets, for restarted processes and limit stores. */
  period_counters: {
    counter: string;
    period: string;
    used: number;
    updated_at: number;
  };
  /** Responses of versions that stored them here; see `moveResponses`. */
  responses: {
    tenant: string;
    id: string;
    created_at: number;
    expires_at: number;
    input: string;
    response: string;
    native: number;
  };
  /** Parts of the configuration that the admin API wrote. */
  config_items: {
    /** `providers` or `models`. */
    section: string;
    id: string;
    /** Sealed JSON; null where the item of the file is left out. */
    document: string | null;
    version: number;
    updated_at: number;
    updated_by: string;
  };
  /** What the admin API changed, so that it can be taken back. */
  config_changes: {
    id: string;
    /** Of the whole overlay, after the change; ascending. */
    revision: number;
    at: number;
    actor: string;
    actor_name: string;
    section: string;
    item: string;
    /** Sealed JSON of the item before and after; null where the overlay did not have it. */
    before: string | null;
    after: string | null;
  };
  /** Billing details of tenants. They outlive their tenant: `account` names one life of its id. */
  billing_accounts: {
    account: string;
    tenant: string;
    document: string;
    version: number;
    /** Rises with each change of what is billed, so that two closes never bill the same usage. */
    changes: number;
    updated_at: number;
  };
  /** Versions of price lists, which are never changed. */
  billing_price_lists: {
    /** An account; empty for the default list. */
    owner: string;
    version: number;
    /** First day: `2026-12-01`. */
    valid_from: string;
    document: string;
    created_at: number;
    created_by: string;
  };
  /** Invoices and credit notes. Those that have a hash are issued, and the database rejects changes of what they say. */
  billing_invoices: {
    id: string;
    kind: string;
    account: string;
    tenant: string;
    /** `2026-11`. */
    period: string;
    status: string;
    number: string | null;
    series: string | null;
    sequence: number | null;
    /** Of a credit note: the id of the invoice. */
    refers_to: string | null;
    currency: string;
    /** A decimal. */
    total: string;
    document: string;
    /** SHA-256 of the document. */
    hash: string | null;
    version: number;
    created_at: number;
    issued_at: number | null;
    due_date: string | null;
    paid_at: number | null;
    voided_at: number | null;
    note: string | null;
    sent_at: number | null;
  };
  /** The usage that an invoice contains. */
  billing_usage: { invoice: string; account: string; document: string };
  /** The last number of each series. */
  billing_series: { name: string; last: number; last_hash: string | null };
  /** Infrastructure costs. */
  billing_costs: {
    id: string;
    month: string;
    document: string;
    /** Each tenant's part, once it is on an invoice; it does not change then. */
    allocation: string | null;
    created_at: number;
    created_by: string;
  };
  /** Copies of tenants' daily sums (UTC), which `copyUsageDays` keeps. */
  tenant_usage: UsageSums & { start: number; tenant: string; model: string; provider: string };
  /** The state of each copied day: `usage_days.changes` of the tenant when it was read. */
  tenant_usage_days: { tenant: string; start: number; changes: number };
  /** Keys of versions before tenants; read once. */
  api_keys: {
    id: string;
    kind: string;
    tenant: string;
    name: string;
    hint: string;
    digest: string;
    created_at: number;
    revoked_at: number | null;
  };
}
